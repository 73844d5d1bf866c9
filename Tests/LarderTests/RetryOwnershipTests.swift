import Testing
import TestSupport

@Suite("Whose answer a retry brings, L11 and S7")
struct RetryOwnershipTests {
  /// The first request fails when the second waits for it; the retry is made from the second one.
  private func race(_ fields: Fields, first: Fields, second: Fields) throws -> (Response, Response, Response)
  {
    let gate = Gate("both wait")
    let origin = try MisbehavingOrigin { exchange in
      if exchange.visit == 0 {
        try gate.wait()
        return try exchange.respond(500, [:], "broken")
      }
      let sent = exchange.request.fields
      let who = sent["Cookie"] ?? sent["Authorization"] ?? sent["Accept-Encoding"] ?? "nobody"
      try exchange.respond(200, fields, "for \(who)")
    }
    return try withLarder(before: [origin]) { larder in
      let attacker = try larder.client()
      try attacker.sendRequest("/", fields: first)
      try origin.awaitRequests(1)
      let victim = try larder.client()
      try victim.sendRequest("/", fields: second)
      try larder.settle()
      gate.open()
      return try (attacker.readResponse(), victim.readResponse(), larder.fetch("/", fields: first))
    }
  }

  @Test(
    arguments: [
      (["Cache-Control": "private"], ["Cookie": "id=victim"]),
      (["Cache-Control": "no-store"], ["Cookie": "id=victim"]),
      (["Cache-Control": "max-age=600", "Set-Cookie": "a=b"], ["Cookie": "id=victim"]),
      (["Cache-Control": "max-age=600"], ["Authorization": "victim"]), ([:], ["Authorization": "victim"]),
      (["Last-Modified": httpDate(-864_000)], ["Cookie": "id=victim"]),
    ] as [(Fields, Fields)])
  func `L11 what was fetched with one client's credentials is shown to no other`(
    _ fields: Fields, _ credentials: Fields
  ) throws {
    let (attacker, victim, later) = try race(fields, first: [:], second: credentials)
    #expect(attacker.text == "for nobody" && later.text == "for nobody")
    #expect(victim.text.hasSuffix("victim"))
  }

  @Test func `L11 the retry's response is stored as the variant that it is`() throws {
    let (first, second, later) = try race(
      ["Cache-Control": "max-age=600", "Vary": "Accept-Encoding"], first: ["Accept-Encoding": "gzip"],
      second: ["Accept-Encoding": "br"])
    #expect(first.text == "for gzip" && second.text == "for br" && later.text == "for gzip")
  }
}
