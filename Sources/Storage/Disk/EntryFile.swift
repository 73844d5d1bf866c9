public import Bytes
public import Caching

// One stored response as one file: preamble, names, two head slots, body, trailer. docs/store-format.md has
// every byte. All numbers are little-endian; everything but unused room of a slot is under a checksum.

public enum EntryFile {
  static let magic = FileMagic(text: "LarderE\n")
  public static let version: UInt16 = 1
  static let preambleBytes = 92
  /// Most bytes before the body: of names, tags and both heads.
  public static let headerLimit = 1 << 20
  /// The unit of the body's checksums and of the block map.
  public static let blockBytes = 64 << 10
  /// What a reader asks for first: most headers end within it, and a small entry with them.
  public static let firstReadBytes = 4096

  /// What of a response never changes: spans, for they are somebody else's until they are written.
  public struct Names: ~Escapable {
    public let key: Span<UInt8>
    /// Canonical URL (L7).
    public let url: Span<UInt8>
    /// Lower-case, sorted, joined with commas; empty: it does not vary.
    public let varyNames: Span<UInt8>
    /// What those fields said: lines as `writeSelectingLines` writes them, for people. They are not compared.
    public let varyValues: Span<UInt8>
    /// Separated by spaces.
    public let tags: Span<UInt8>
    /// `selectingHash` of those fields with the store's seed; zero without `varyNames`.
    public let selecting: KeyHash

    @_lifetime(copy key, copy url, copy varyNames, copy varyValues, copy tags)
    public init(
      key: Span<UInt8>, url: Span<UInt8>, varyNames: Span<UInt8> = Span(), varyValues: Span<UInt8> = Span(),
      tags: Span<UInt8> = Span(), selecting: KeyHash = KeyHash(low: 0, high: 0)
    ) {
      self.key = key
      self.url = url
      self.varyNames = varyNames
      self.varyValues = varyValues
      self.tags = tags
      self.selecting = varyNames.isEmpty ? KeyHash(low: 0, high: 0) : selecting
    }

    var byteCount: Int {
      key.count + url.count + varyNames.count + varyValues.count + tags.count
    }

    /// What the file is called.
    public var fileName: EntryName { EntryName(key: key, varyNames: varyNames, selecting: selecting) }
  }

  /// What of a response a 304 renews, but for the head's bytes. Times are this process's `CacheSeconds`.
  public struct Facts: Equatable, Sendable {
    /// Its number in the sequence (L19): when the fill or revalidation began that brought this head.
    public var born: UInt64
    public var status: UInt16
    public var freshness: Freshness
    public var graceSource: WindowSource
    /// Seconds beyond all use during which it is kept for its validators.
    public var keep: UInt32
    public var keepSource: WindowSource
    public var isSoftlyPurged: Bool
    /// Within the head.
    public var etag: ByteRange?
    /// Seconds since 1970.
    public var lastModified: Int64?

    public init(
      born: UInt64, status: UInt16, freshness: Freshness, graceSource: WindowSource = .none, keep: UInt32 = 0,
      keepSource: WindowSource = .none, isSoftlyPurged: Bool = false, etag: ByteRange? = nil,
      lastModified: Int64? = nil
    ) {
      self.born = born
      self.status = status
      self.freshness = freshness
      self.graceSource = graceSource
      self.keep = keep
      self.keepSource = keepSource
      self.isSoftlyPurged = isSoftlyPurged
      self.etag = etag
      self.lastModified = lastModified
    }
  }

  /// Whose word a time of grace or keep is.
  public enum WindowSource: UInt8, Sendable {
    case none
    /// The response's own fields.
    case origin
    /// A flag.
    case flag
    case policy
  }

  /// Where everything lies in a file, known before the body's length is.
  public struct Layout: Equatable, Sendable {
    let namesBytes: Int
    /// Of one head slot, with room for the head that a 304 brings.
    let slotBytes: Int

    /// - Returns: `nil`: too long to be stored.
    public init?(_ names: borrowing Names, headBytes: Int) {
      let head = EntryFile.slotFixedBytes + headBytes
      slotBytes = head + max(256, headBytes / 4)
      namesBytes = names.byteCount
      guard bodyOffset <= EntryFile.headerLimit else { return nil }
    }

    public var bodyOffset: Int { EntryFile.preambleBytes + namesBytes + 2 * slotBytes }

    /// Size of the whole file.
    public func fileBytes(bodyLength: Int) -> Int {
      bodyOffset + bodyLength + BlockTable.trailerBytes(bodyLength: bodyLength)
    }
  }

  static let slotFixedBytes = 112

  struct Flags: OptionSet {
    let rawValue: UInt32
    /// Blocks of the body may be missing; the block map says which.
    static let isPartial = Flags(rawValue: 1)
    static let known: Flags = [.isPartial]
  }
}

/// What was read from an entry's file before its body. Ranges are offsets into the file, and so into the
/// prefix that was given.
public struct DecodedEntry: Equatable, Sendable {
  public var facts: EntryFile.Facts
  /// When the file was made, in milliseconds since 1970.
  public var created: Int64
  /// Blocks of the body may be missing: look at the trailer's map.
  public var isPartial: Bool
  public var selecting: KeyHash
  public var key: ByteRange
  public var url: ByteRange
  public var varyNames: ByteRange
  public var varyValues: ByteRange
  public var tags: ByteRange
  public var head: ByteRange
  public var bodyOffset: Int
  /// Of the whole body, missing blocks included.
  public var bodyLength: Int
  /// Checksum of the preamble: ties slots and trailer to this file.
  public var stamp: UInt32
  public var freeSlot: SlotPlace

  public var trailerOffset: Int { bodyOffset + bodyLength }
  public var trailerBytes: Int { BlockTable.trailerBytes(bodyLength: bodyLength) }
}

/// Where the next head goes: writing it there, whole, makes it the one in force.
public struct SlotPlace: Equatable, Sendable {
  /// In the file.
  public var offset: Int
  public var capacity: Int
  /// Higher than that of the head in force.
  public var sequence: UInt64
  var stamp: UInt32

  /// A head of so many bytes fits.
  public func fits(headBytes: Int) -> Bool { headBytes <= capacity - EntryFile.slotFixedBytes }
}
