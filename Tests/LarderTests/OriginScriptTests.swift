import Testing

@Suite("Origins that misbehave, script by script, R8")
struct OriginScriptTests {
  @Test(arguments: OriginScript.all)
  func `R8 what a client receives and the origin is asked, to the byte, when it`(_ script: OriginScript)
    throws
  {
    let (outcomes, asked) = try script.play()
    for (outcome, expected) in zip(outcomes, script.outcomes) { #expect(outcome == expected) }
    #expect(outcomes.count == script.outcomes.count)
    #expect(asked == script.asked)
  }
}
