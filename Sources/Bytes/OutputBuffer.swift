public import Glibc

/// Growing bytes for output, owned by one thread. Keeps its memory over `removeAll`, so that a buffer in
/// steady use does not allocate.
@safe public struct OutputBuffer: ~Copyable {
  @usableFromInline var memory: UnsafeMutablePointer<UInt8>
  @usableFromInline var capacity: Int
  @usableFromInline var filled: Int

  /// - Parameter capacity: Bytes to start with.
  @inlinable public init(capacity: Int) {
    unsafe memory = .allocate(capacity: capacity)
    self.capacity = capacity
    filled = 0
  }

  deinit { unsafe memory.deallocate() }

  @inlinable public var count: Int { filled }
  @inlinable public var isEmpty: Bool { filled == 0 }
  /// Bytes of memory that it holds on to.
  @inlinable public var heldBytes: Int { capacity }

  /// The first byte, for system calls. Valid until the next append or the end of the buffer.
  @inlinable public var base: UnsafePointer<UInt8> { unsafe UnsafePointer(memory) }

  @inlinable public var bytes: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      // SAFETY: `filled` bytes are initialised; the span cannot outlive `self`.
      let span = unsafe Span<UInt8>(_unsafeStart: UnsafePointer(memory), count: filled)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  @inlinable public mutating func removeAll() { filled = 0 }

  /// Forgets the first `count` bytes, at most all; the others move to the front.
  @inlinable public mutating func removeFirst(_ count: Int) {
    let left = max(filled - count, 0)
    // SAFETY: the last `left` of the `filled` bytes; the areas may overlap.
    if left > 0 { unsafe memmove(memory, memory + count, left) }
    filled = left
  }

  /// Forgets all bytes from `count` on.
  @inlinable public mutating func truncate(to count: Int) { filled = min(filled, count) }

  @inlinable public mutating func append(_ byte: UInt8) {
    reserve(1)
    // SAFETY: `reserve` made room for one byte.
    unsafe memory[filled] = byte
    filled &+= 1
  }

  @inlinable public mutating func append(_ bytes: Span<UInt8>) {
    unsafe bytes.withUnsafeBufferPointer { unsafe append(from: $0.baseAddress, count: $0.count) }
  }

  /// Appends `bytes` with ASCII letters in lower case.
  @inlinable public mutating func append(lowering bytes: Span<UInt8>) {
    reserve(bytes.count)
    unsafe bytes.withUnsafeBytes { source in
      var i = 0
      // SAFETY: `reserve` made room for all of them.
      let target = unsafe UnsafeMutableRawPointer(memory + filled)
      while i &+ 8 <= source.count {
        let word = unsafe source.loadUnaligned(fromByteOffset: i, as: UInt64.self)
        unsafe target.storeBytes(of: word.lowered, toByteOffset: i, as: UInt64.self)
        i &+= 8
      }
      while i < source.count {
        unsafe target.storeBytes(of: source[i].lowered, toByteOffset: i, as: UInt8.self)
        i &+= 1
      }
    }
    filled &+= bytes.count
  }

  @inlinable public mutating func append(_ text: StaticString) {
    // SAFETY: a static string's bytes live as long as the program.
    unsafe append(from: text.utf8Start, count: text.utf8CodeUnitCount)
  }

  /// Disfavoured, or a literal would be taken for a `String`: 10 instructions a byte instead of a copy.
  @_disfavoredOverload @inlinable public mutating func append(_ text: String) {
    var text = text
    text.withUTF8 { unsafe append(from: $0.baseAddress, count: $0.count) }
  }

  @inlinable public mutating func append(_ bytes: [UInt8]) { append(bytes.span) }

  /// Copies `count` bytes from `source`, which may be nil when `count` is 0.
  @inlinable public mutating func append(from source: UnsafePointer<UInt8>?, count: Int) {
    guard count > 0, let source = unsafe source else { return }
    reserve(count)
    // SAFETY: `reserve` made room for `count` bytes; the caller vouches for the source.
    unsafe memcpy(memory + filled, source, count)
    filled &+= count
  }

  /// Has `write` put bytes into the free part, of which it may use `room`, and say how many they are.
  @inlinable public mutating func append(room: Int, _ write: (UnsafeMutablePointer<UInt8>) -> Int) {
    reserve(room)
    let added = unsafe write(memory + filled)
    precondition(added >= 0 && added <= room, "more was written than there was room")
    filled &+= added
  }

  @inlinable public mutating func append(decimal value: Int) {
    if value >= 0, value < 1000 { return append(small: UInt32(truncatingIfNeeded: value)) }
    if value < 0 { append(.dash) }
    var rest = value.magnitude
    reserve(20)
    var digits = 1
    var bound: UInt = 10
    while digits < 19, rest >= bound {
      digits &+= 1
      bound &*= 10
    }
    var at = filled &+ digits
    filled = at
    while at > filled &- digits {
      at &-= 1
      // SAFETY: `reserve(20)` made room for all digits of a 64-bit number below 2⁶³.
      unsafe memory[at] = 48 &+ UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
  }

  /// Most numbers of a head are small: parts of addresses, ages, statuses.
  @inlinable mutating func append(small value: UInt32) {
    reserve(3)
    // SAFETY: `reserve` made room for three digits.
    if value >= 100 {
      unsafe memory[filled] = 48 &+ UInt8(truncatingIfNeeded: value / 100)
      filled &+= 1
    }
    if value >= 10 {
      unsafe memory[filled] = 48 &+ UInt8(truncatingIfNeeded: value / 10 % 10)
      filled &+= 1
    }
    unsafe memory[filled] = 48 &+ UInt8(truncatingIfNeeded: value % 10)
    filled &+= 1
  }

  /// - Parameter digits: At least so many; the number's own if it needs more.
  @inlinable public mutating func append(hex value: UInt64, digits: Int = 16) {
    if digits == 16 {
      append(eightHexDigits: UInt32(truncatingIfNeeded: value >> 32))
      append(eightHexDigits: UInt32(truncatingIfNeeded: value))
      return
    }
    var shift = 4 * max(digits, (67 - value.leadingZeroBitCount) / 4)
    while shift > 0 {
      shift -= 4
      let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift) & 15)
      append(digit < 10 ? 48 + digit : 87 + digit)
    }
  }

  /// All at once: each nibble in a byte of its own, then nine or less as a digit, more as a letter.
  @inlinable mutating func append(eightHexDigits value: UInt32) {
    var word = UInt64(value)
    word = (word << 16 | word) & 0x0000_FFFF_0000_FFFF
    word = (word << 8 | word) & 0x00FF_00FF_00FF_00FF
    word = (word << 4 | word) & 0x0F0F_0F0F_0F0F_0F0F
    let isLetter = (word &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
    let text = (word &+ 0x3030_3030_3030_3030 &+ isLetter &* 39).bigEndian
    reserve(8)
    // SAFETY: `reserve` made room for eight bytes.
    unsafe UnsafeMutableRawPointer(memory + filled).storeBytes(of: text, as: UInt64.self)
    filled &+= 8
  }

  @inlinable public mutating func reserve(_ more: Int) {
    if filled &+ more > capacity { grow(more) }
  }

  @usableFromInline mutating func grow(_ more: Int) {
    let wanted = max(capacity * 2, filled + more)
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: wanted)
    // SAFETY: the new memory holds at least `filled` bytes; the old is freed once, here.
    unsafe memcpy(larger, memory, filled)
    unsafe memory.deallocate()
    unsafe memory = larger
    capacity = wanted
  }
}
