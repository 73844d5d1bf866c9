import Bytes

extension RequestHead {
  /// The protocols that the client offers to speak instead of HTTP/1.1 and that may be carried through: the
  /// members of `Upgrade` that are no HTTP of another version. Empty unless the request is one that may
  /// change the protocol (RFC 9110 §7.8): of HTTP/1.1, with `Connection: upgrade`, and without a body, whose
  /// end the two sides would have to agree upon first.
  public var upgradeOffer: [UInt8] {
    guard head.has(.upgrade), minorVersion > 0, framing == .none, head.connectionNamesUpgrade else {
      return []
    }
    return head.upgradeProtocols { !isHiddenHTTP($0) }
  }
}

extension ResponseHead {
  /// The protocols that a 101 switches to; empty when one of them is not in `offer`, when none is named, or
  /// when it does not say so as RFC 9110 §7.8 demands.
  public func protocols(among offer: [UInt8]) -> [UInt8] {
    guard minorVersion > 0, head.connectionNamesUpgrade else { return [] }
    let wanted = offer.span
    var isOffered = true
    let protocols = head.upgradeProtocols { chosen in
      var members = ListMembers()
      while let member = members.next(in: wanted) {
        if wanted.extracting(member).equalsIgnoringCase(chosen) { return true }
      }
      isOffered = false
      return false
    }
    return isOffered ? protocols : []
  }
}

/// In a tunnel these would be HTTP that no rule of this proxy has seen: `h2c`, `HTTP/2.0` and, once
/// decrypted, `TLS/1.0` (RFC 2817).
private func isHiddenHTTP(_ member: Span<UInt8>) -> Bool {
  let end = member.firstIndex(of: .slash) ?? member.count
  let name = member.extracting(0..<end)
  return name.equalsIgnoringCase("h2c") || name.equalsIgnoringCase("h2") || name.equalsIgnoringCase("http")
    || name.equalsIgnoringCase("tls")
}

extension Head {
  fileprivate var connectionNamesUpgrade: Bool {
    for line in lines where line.known == .connection {
      let value = value(line)
      var members = ListMembers()
      while let member = members.next(in: value) {
        if value.extracting(member).equalsIgnoringCase("upgrade") { return true }
      }
    }
    return false
  }

  /// Longest list of protocols that is looked at, in bytes.
  private static var upgradeLimit: Int { 256 }

  /// The members of all `Upgrade` lines that are well-formed and `isWanted`, as one list.
  fileprivate func upgradeProtocols(where isWanted: (Span<UInt8>) -> Bool) -> [UInt8] {
    var list: [UInt8] = []
    for line in lines where line.known == .upgrade {
      let value = value(line)
      guard value.count <= Self.upgradeLimit - list.count else { return [] }
      var members = ListMembers()
      while let range = members.next(in: value) {
        let member = value.extracting(range)
        guard isProtocol(member), isWanted(member) else { continue }
        if !list.isEmpty { list += [.comma, .space] }
        for i in member.indices { list.append(member[i]) }
      }
    }
    return list
  }
}

/// `protocol-name ["/" protocol-version]`, RFC 9110 §7.8.
private func isProtocol(_ member: Span<UInt8>) -> Bool {
  let slash = member.firstIndex(of: .slash) ?? member.count
  guard slash > 0, slash != member.count - 1 else { return false }
  for i in member.indices where i != slash && !ByteClass.isToken(member[i]) { return false }
  return true
}
