/// What must hold of any client's answers.
extension Simulation {
  /// Each answer is the page asked for, byte for byte, or an error of our own.
  func check(_ client: SimulatedClient, errors: Set<Int> = []) {
    for (request, reply) in zip(client.requestsAnswered, client.replies) {
      if reply["x-label"] == nil {
        if !errors.contains(reply.status) {
          network.violate("\(client.name) got \(reply.line) for \(request.target): \(reply.bodyText)")
        }
        continue
      }
      if let fault = Page.fault(of: reply, isHead: request.method == "HEAD") {
        network.violate("\(client.name) asked \(request.line), got \(fault)")
      }
      let path = reply["x-label"]?.split(separator: "|").first.map { String($0) } ?? ""
      if path != request.target { network.violate("\(client.name) asked for \(request.target), got \(path)") }
    }
    if client.ending == .cut || client.ending == .leftByItself,
      let fault = Page.fault(ofPart: client.partialBody, head: client.partialHead)
    {
      network.violate("\(client.name): \(fault)")
    }
  }

  /// As above, and every request has its answer.
  func checkWhole(_ client: SimulatedClient, errors: Set<Int> = []) {
    check(client, errors: errors)
    if !client.isAnswered { network.violate("\(client.name) has no answer: \(client.ending)") }
  }

  func expect<T: Equatable>(_ value: T, _ wanted: T, _ name: @autoclosure () -> String) {
    if value != wanted { network.violate("\(name()) is \(value), not \(wanted)") }
  }

  func expect(_ holds: Bool, _ text: @autoclosure () -> String) {
    if !holds { network.violate(text()) }
  }
}
