public import Glibc

/// Memory of the process's heap, aligned to 16, to be given back with `free`. `UnsafeMutablePointer.allocate`
/// goes through `posix_memalign` on Linux, which costs more than twice as much; this is for what is made once
/// per request.
@inlinable public func allocateBytes(_ count: Int) -> UnsafeMutableRawPointer {
  guard let memory = unsafe malloc(count) else { fatalError("out of memory") }
  return unsafe memory
}
