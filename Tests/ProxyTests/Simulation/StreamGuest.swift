/// The far end of a `StreamHost`: asks on many streams of one connection and takes each at its own pace.
final class StreamGuest: Step {
  final class Answer {
    let target: String
    var head = ""
    var body: [UInt8] = []
    var ending: StreamHost.Kind?
    var endedAt: Int64 = 0
    /// Bytes of credit given at a time, and the pause between.
    var credit = 60_000
    var pause = 0

    init(target: String) { self.target = target }
  }

  private let network: Network
  private let end: StreamEnd
  private let output = ByteQueue()
  private var input: [UInt8] = []
  private(set) var answers: [Int: Answer] = [:]

  init(_ network: Network, end: StreamEnd) {
    self.network = network
    self.end = end
    super.init()
    end.actor = self
  }

  func ask(_ stream: Int, _ target: String, slowly: Bool = false) {
    let answer = Answer(target: target)
    if slowly {
      answer.credit = 100
      answer.pause = 50
    }
    answers[stream] = answer
    let head = "GET \(target) HTTP/1.1\r\nHost: example.com\r\n\r\n"
    output.append(StreamHost.frame(stream, .request, Array(head.utf8)))
    give(stream)
  }

  private func give(_ stream: Int) {
    guard let answer = answers[stream], answer.ending == nil else { return }
    output.append(StreamHost.frame(stream, .credit, [UInt8(answer.credit >> 8), UInt8(answer.credit & 255)]))
    if answer.pause > 0 { network.after(answer.pause) { self.give(stream) } }
    network.activate(self)
  }

  func close() { end.close() }

  override func step() {
    while !output.isEmpty {
      let bytes = output.takeAll(most: 2000)
      let written = max(0, end.write(bytes, from: 0))
      if written < bytes.count {
        let rest = output.takeAll()
        output.append(Array(bytes[written...]))
        output.append(rest)
        break
      }
    }
    input.append(contentsOf: end.take())
    while let frame = StreamHost.takeFrame(&input) { take(frame.stream, frame.kind, frame.payload) }
  }

  private func take(_ stream: Int, _ kind: StreamHost.Kind, _ payload: [UInt8]) {
    guard let answer = answers[stream], answer.ending == nil else {
      return network.violate("a frame for stream \(stream), which is over or never was")
    }
    switch kind {
    case .head: answer.head = String(decoding: payload, as: UTF8.self)
    case .body:
      if answer.head.isEmpty { network.violate("L9: a body before its head") }
      answer.body += payload
    case .end, .cut:
      answer.ending = kind
      answer.endedAt = network.now
    case .request, .credit: network.violate("a frame of a kind that only we send")
    }
  }
}
