public import Bytes
public import HTTP

/// The hash of a request's selecting fields, normalised (L8, RFC 9111 §4.1): equal for two requests that may
/// be given the same variant. Does not allocate.
///
/// Several lines of a field are one list, and whitespace around members does not count; an absent field
/// differs from an empty one. In `Accept-Encoding` and `Accept-Language` case, all whitespace and the order
/// of members do not count either, for preference there is told by weights (RFC 9110 §12.5.3, 12.5.4).
///
/// - Parameter varyNames: `VaryList.names`.
public func selectingHash(_ varyNames: Span<UInt8>, request: borrowing Head, seed: HashSeed) -> KeyHash {
  var chain = HashChain(seed)
  var start = 0
  while start < varyNames.count {
    let end = varyNames.firstIndex(of: .comma, from: start) ?? varyNames.count
    let name = varyNames.extracting(start..<end)
    if name.equals("accept-encoding") {
      chain.absorbUnordered(name, .acceptEncoding, of: request)
    } else if name.equals("accept-language") {
      chain.absorbUnordered(name, .acceptLanguage, of: request)
    } else {
      chain.absorbOrdered(name, of: request)
    }
    start = end + 1
  }
  return chain.state
}

/// A keyed hash over several texts: the hash of each is the key of the next. `kind` keeps names, members and
/// absence apart.
private struct HashChain {
  private(set) var state: KeyHash
  private let seed: HashSeed

  init(_ seed: HashSeed) {
    self.seed = seed
    state = seed.hash(Span())
  }

  private enum Kind: UInt64 {
    case member = 1
    case absent, ordered, unordered
  }

  private mutating func absorb(_ bytes: Span<UInt8>, as kind: Kind) {
    state = HashSeed(state.low ^ kind.rawValue, state.high).hash(bytes)
  }

  mutating func absorbOrdered(_ name: Span<UInt8>, of request: borrowing Head) {
    var isPresent = false
    var chain = self
    request.forEachValue(named: name) { value in
      isPresent = true
      var members = ListMembers()
      while let member = members.next(in: value) { chain.absorb(value.extracting(member), as: .member) }
    }
    chain.absorb(name, as: isPresent ? .ordered : .absent)
    self = chain
  }

  /// Members are added up, so that their order does not show.
  mutating func absorbUnordered(_ name: Span<UInt8>, _ field: KnownField, of request: borrowing Head) {
    guard request.has(field) else {
      absorb(name, as: .absent)
      return
    }
    for line in request.lines where line.known == field {
      let value = request.value(line)
      var start = 0
      while start < value.count {
        let member = seed.hashMember(of: value, from: start)
        start = member.end + 1
        if member.isEmpty { continue }
        state.low &+= member.hash.low
        state.high &+= member.hash.high
      }
    }
    absorb(name, as: .unordered)
  }
}
