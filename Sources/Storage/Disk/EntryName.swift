public import Bytes
import COpenSSL

/// What a file of the store is called: the SHA-256 of its key, and for a variant of what selects it too.
/// 32 bytes.
public struct EntryName: Hashable, Sendable, BitwiseCopyable {
  /// The digest's bytes 0 to 7 as a big-endian number, 8 to 15, and so on.
  public let words: InlineWords

  public struct InlineWords: Hashable, Sendable, BitwiseCopyable {
    public var w0, w1, w2, w3: UInt64
  }

  public static let byteCount = 32

  /// - Parameter digest: Exactly 32 bytes.
  public init?(digest: Span<UInt8>) {
    guard digest.count == Self.byteCount else { return nil }
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    for i in 0..<8 {
      words.0 = words.0 << 8 | UInt64(digest[i])
      words.1 = words.1 << 8 | UInt64(digest[8 + i])
      words.2 = words.2 << 8 | UInt64(digest[16 + i])
      words.3 = words.3 << 8 | UInt64(digest[24 + i])
    }
    self.words = InlineWords(w0: words.0, w1: words.1, w2: words.2, w3: words.3)
  }

  /// SHA-256 of `bytes`.
  private init(hashing bytes: Span<UInt8>) {
    var digest = [UInt8](repeating: 0, count: Self.byteCount)
    // SAFETY: the library reads `count` bytes and writes 32.
    unsafe bytes.withUnsafeBufferPointer { source in
      unsafe digest.withUnsafeMutableBufferPointer {
        _ = unsafe SHA256(source.baseAddress, source.count, $0.baseAddress)
      }
    }
    self.init(digest: digest.span)!
  }

  /// Of the file under the key itself: the only response, or the key's vary record, or the response without
  /// `Vary` among those that have it.
  public init(key: Span<UInt8>) { self.init(hashing: key) }

  /// Of one variant: of key, NUL, names, NUL, and the 16 bytes of `selecting`, low word first,
  /// little-endian. Without names: of the key.
  ///
  /// - Parameters:
  ///   - varyNames: Lower-case, sorted, joined with commas.
  ///   - selecting: `selectingHash` with the store's own seed.
  public init(key: Span<UInt8>, varyNames: Span<UInt8>, selecting: KeyHash) {
    guard !varyNames.isEmpty else {
      self.init(hashing: key)
      return
    }
    var text = OutputBuffer(capacity: key.count + varyNames.count + 18)
    text.append(key)
    text.append(UInt8(0))
    text.append(varyNames)
    text.append(UInt8(0))
    text.append(little: selecting.low)
    text.append(little: selecting.high)
    self.init(hashing: text.bytes)
  }

  /// - Parameter hex: Exactly 64 digits in lower case.
  public init?(hex: Span<UInt8>) {
    guard hex.count == 2 * Self.byteCount else { return nil }
    var digest: [UInt8] = []
    for i in 0..<Self.byteCount {
      guard let high = Self.digit(hex[2 * i]), let low = Self.digit(hex[2 * i + 1]) else { return nil }
      digest.append(high << 4 | low)
    }
    self.init(digest: digest.span)
  }

  /// - Parameter hex: Exactly 64 digits in lower case.
  public init?(hex: String) {
    let bytes = Array(hex.utf8)
    self.init(hex: bytes.span)
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    default: nil
    }
  }

  /// The 64 digits of the file's name.
  public var hex: [UInt8] {
    let digits = StaticDigits.lowerCase
    var result: [UInt8] = []
    result.reserveCapacity(2 * Self.byteCount)
    for word in [words.w0, words.w1, words.w2, words.w3] {
      for shift in stride(from: 60, through: 0, by: -4) {
        result.append(digits[Int(word >> UInt64(shift) & 15)])
      }
    }
    return result
  }

  /// The digest's first 128 bits: enough for an index, where the rest is compared.
  public var hash: KeyHash { KeyHash(low: words.w0, high: words.w1) }

  public func write(to output: inout OutputBuffer) {
    for word in [words.w0, words.w1, words.w2, words.w3] { output.append(little: word.byteSwapped) }
  }
}

private enum StaticDigits {
  static let lowerCase = Array("0123456789abcdef".utf8)
}
