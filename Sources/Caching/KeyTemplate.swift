import Bytes

/// Why a key template was refused.
public enum KeyTemplateError: Error, Equatable {
  case unknownVariable(String)
  /// `${` without `}`, or `$` without a name.
  case malformedVariable
  case controlCharacter
  /// Without `$host` or `$http_host` one host could fill another's pages (L6).
  case withoutHost
}

/// How a cache key is made of a request, in nginx's words: `$scheme`, `$request_method`, `$host`,
/// `$http_host`, `$request_uri`, `$uri`, `$args`, `$query_string`, `$is_args`, `$arg_NAME`, `$cookie_NAME`,
/// `$http_NAME`, `${name}`, and literal text.
///
/// They differ from nginx's where a key must not say less than the request (L6): `$uri` and `$args` are as
/// received, not decoded; `$host` keeps a port that is not the scheme's default; `$http_host` is the host
/// that the origin is asked for, whatever `Host` says beside a target in absolute form; and each variable's
/// end is marked in the key, so that different values never add up to one key.
public struct KeyTemplate: Sendable, Equatable {
  /// Changes with the form of keys; a store keeps it (L6).
  public static let version: UInt8 = 1

  enum Part: Sendable, Equatable {
    case literal([UInt8])
    case scheme, method, host, authority, requestURI, path, arguments, argumentMark
    /// Names are lower-case; field names have dashes for underscores.
    case argument([UInt8])
    case cookie([UInt8])
    case field([UInt8])
  }

  let parts: [Part]
  /// Has the parts of the standard template, for which there is a faster way to write it.
  let isStandard: Bool

  private static let standardParts: [Part] = [.scheme, .method, .host, .requestURI]

  /// `$scheme$request_method$host$request_uri`. HEAD shares GET's key.
  public static let standard = KeyTemplate(parts: standardParts)

  private init(parts: [Part]) {
    self.parts = parts
    isStandard = parts == Self.standardParts
  }

  public init(_ text: String) throws(KeyTemplateError) {
    var parts: [Part] = []
    for part in try Self.variableText(text) {
      switch part {
      case .literal(let text): parts.append(.literal(text))
      case .variable(let name): parts.append(try Self.variable(name))
      }
    }
    let hasHost = parts.contains { $0 == .host || $0 == .authority }
    guard hasHost else { throw .withoutHost }
    self.init(parts: parts)
  }

  private static func variableText(_ text: String) throws(KeyTemplateError) -> [VariableText] {
    do {
      return try VariableText.parts(of: text)
    } catch {
      switch error {
      case .malformedVariable: throw .malformedVariable
      case .controlCharacter: throw .controlCharacter
      }
    }
  }

  private static func variable(_ name: [UInt8]) throws(KeyTemplateError) -> KeyTemplate.Part {
    let text = String(decoding: name, as: UTF8.self)
    switch text {
    case "scheme": return .scheme
    case "request_method": return .method
    case "host": return .host
    case "http_host": return .authority
    case "request_uri": return .requestURI
    case "uri": return .path
    case "args", "query_string": return .arguments
    case "is_args": return .argumentMark
    default: break
    }
    if let name = rest(of: name, after: "arg_") { return .argument(name) }
    if let name = rest(of: name, after: "cookie_") { return .cookie(name) }
    if let name = rest(of: name, after: "http_") {
      return .field(name.map { $0 == UInt8(ascii: "_") ? .dash : $0 })
    }
    throw .unknownVariable(text)
  }

  /// What follows `prefix`, lower-case; `nil` when nothing does.
  private static func rest(of name: [UInt8], after prefix: String) -> [UInt8]? {
    guard name.starts(with: prefix.utf8), name.count > prefix.utf8.count else { return nil }
    return name.dropFirst(prefix.utf8.count).map { $0.lowered }
  }
}
