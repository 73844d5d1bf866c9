import Bytes

extension FieldSet {
  /// Fields that concern one connection only, RFC 9110 §7.6.1, with `HTTP2-Settings` (RFC 7540 §3.2.1) and
  /// those of proxy authentication: this proxy asks for none, and credentials for it are nobody else's
  /// business.
  public static let hopByHop = FieldSet(
    .connection, .keepAlive, .proxyConnection, .proxyAuthenticate, .proxyAuthorization, .te, .trailer,
    .transferEncoding, .upgrade, .http2Settings)

  /// Fields that `Connection` may not name: without them the message would end elsewhere, go elsewhere or
  /// mean something else. RFC 9110 §7.6.1 forbids to name what is for all recipients; naming these has no
  /// effect.
  static let neverHopByHop = FieldSet(
    .host, .contentLength, .contentType, .contentEncoding, .contentRange, .cacheControl, .vary, .date, .age,
    .forwarded, .xForwardedFor, .xForwardedProto, .xForwardedHost)
}

extension Head {
  /// Removes the fields that concern one connection only: the known ones, and all that `Connection` names but
  /// for those that a message cannot do without. `Content-Length` stays.
  public mutating func removeHopByHop() {
    guard has(.connection), connectionNamesOthers else {
      remove(.hopByHop)
      return
    }
    removeLines { head, line in head.isHopByHop(line) }
  }

  /// `removeHopByHop` removes this line.
  public func isHopByHop(_ line: FieldLine) -> Bool {
    if FieldSet.hopByHop.contains(line.known) { return true }
    return has(.connection) && !FieldSet.neverHopByHop.contains(line.known) && isNamedByConnection(line)
  }

  /// Whether `Connection` says more than nearly all do: `close`, `keep-alive` and fields that go in any case.
  private var connectionNamesOthers: Bool {
    for connection in lines where connection.known == .connection {
      let value = value(connection)
      var members = ListMembers()
      while let member = members.next(in: value) {
        let name = value.extracting(member)
        if FieldSet.hopByHop.contains(KnownField.identify(name)) || name.equalsIgnoringCase("close") {
          continue
        }
        return true
      }
    }
    return false
  }

  private func isNamedByConnection(_ line: FieldLine) -> Bool {
    let name = name(line)
    for connection in lines where connection.known == .connection {
      let value = value(connection)
      var members = ListMembers()
      while let member = members.next(in: value) {
        if value.extracting(member).equalsIgnoringCase(name) { return true }
      }
    }
    return false
  }
}
