import Bytes
public import HTTP

/// The names of the request fields that select among a resource's stored responses, RFC 9111 §4.1.
public struct VaryList: Equatable, Sendable {
  /// Lower-case, sorted, each once, joined by commas; empty when the response does not vary.
  public var names: [UInt8]
  /// Never to be selected: `*` is a member, or the list is no list of field names, or is unreasonable.
  public var isStar: Bool

  /// More names than any origin means, and so work for each look-up that one could be made to do.
  public static let nameLimit = 32
  /// Longest list kept, in bytes.
  public static let byteLimit = 1024

  public init(names: [UInt8] = [], isStar: Bool = false) {
    self.names = names
    self.isStar = isStar
  }

  private static let star = VaryList(isStar: true)

  /// All lines of `Vary` are one list.
  public static func parse(from response: borrowing Head) -> VaryList {
    var names: [[UInt8]] = []
    guard response.has(.vary) else { return VaryList() }
    for line in response.lines where line.known == .vary {
      let value = response.value(line)
      var members = ListMembers()
      while let member = members.next(in: value) {
        let name = value.extracting(member)
        guard isName(name), names.count < nameLimit else { return star }
        var lowered: [UInt8] = []
        for i in name.indices { lowered.append(name[i].lowered) }
        if !names.contains(lowered) { names.append(lowered) }
      }
    }
    names.sort { $0.lexicographicallyPrecedes($1) }
    let joined = Array(names.joined(separator: [UInt8.comma]))
    return joined.count > byteLimit ? star : VaryList(names: joined)
  }

  /// Every name is among `other`'s.
  func isWithin(_ other: VaryList) -> Bool {
    if isStar { return false }
    let known = Set(other.names.split(separator: .comma))
    return names.split(separator: .comma).allSatisfy { known.contains($0) }
  }

  static func isStar(_ response: borrowing Head) -> Bool {
    response.has(.vary) && parse(from: response).isStar
  }

  /// A field name other than `*`, which is a token too.
  private static func isName(_ name: Span<UInt8>) -> Bool {
    for i in name.indices where !isTokenByte(name[i]) { return false }
    return !name.equals("*")
  }
}
