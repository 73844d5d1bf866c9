import CLinux

/// CRC-32C (Castagnoli) of `bytes`, with the processor's instruction where it has one. RFC 3720 appendix B.4
/// has vectors.
///
/// - Parameter sum: Of the bytes before these, as this function gave it; 0: these are the first.
public func crc32c(_ bytes: Span<UInt8>, continuing sum: UInt32 = 0) -> UInt32 {
  unsafe bytes.withUnsafeBufferPointer { unsafe linux_crc32c(sum, $0.baseAddress, $0.count) }
}
