import HTTP
import Testing

@Suite("Names by which a client could pass for somebody, S7")
struct ForgedNameTests {
  @Test(arguments: [
    ("Content_Length", true), ("TRANSFER_ENCODING", true), ("X_Forwarded-For", true),
    ("if_unmodified_since", true),
    ("Content-Length", false), ("Content_Lengths", false), ("X_My_Field", false), ("_", false), ("", false),
    ("Proxy_Authorizations", false), ("Content__Length", false),
  ])
  func `a known name with underscores is a lookalike`(_ name: String, _ isOne: Bool) {
    let bytes = octets(name)
    let found = ForgedName.isLookalike(bytes.span)
    #expect(found == isOne)
  }

  @Test(arguments: [
    ("X-Forwarded", true), ("x-forwarded-port", true), ("X_Forwarded_SSL", true), ("X-Real-IP", true),
    ("x_real_ip", true), ("X-Real-IPs", false), ("X-Forward", false), ("Forwarded", false), ("", false),
  ])
  func `what only a proxy before us may say`(_ name: String, _ isOne: Bool) {
    let bytes = octets(name)
    let found = ForgedName.isForwarding(bytes.span)
    #expect(found == isOne)
  }

  @Test(arguments: [
    ("X-HTTP-Method", true), ("X-Method-Override", true), ("x_http_method_override", true),
    ("X-HTTP-Methods", false),
    ("X-Http-Methox", false), ("X-Method", false),
  ])
  func `what frameworks take for the method`(_ name: String, _ isOne: Bool) {
    let bytes = octets(name)
    let found = ForgedName.isMethodOverride(bytes.span)
    #expect(found == isOne)
  }
}
