import Bytes
import HTTP

/// What a parse made of some bytes, in values that can be compared.
struct ParsedRequest: Equatable {
  var method: Method
  var methodText: String
  var target: String
  var form: TargetForm
  var authority: String
  var pathAndQuery: String
  var minorVersion: UInt8
  var framing: BodyFraming
  var keepsAlive: Bool
  var expectsContinue: Bool
  var end: Int
  var fields: [String]

  init(_ request: borrowing RequestHead) {
    method = request.method
    methodText = text(request.head.bytes(request.methodRange))
    target = text(request.head.bytes(request.target))
    form = request.targetForm
    authority = text(request.head.bytes(request.authority))
    pathAndQuery = text(request.head.bytes(request.pathAndQuery))
    minorVersion = request.minorVersion
    framing = request.framing
    keepsAlive = request.keepsAlive
    expectsContinue = request.expectsContinue
    end = request.end
    fields = fieldTexts(request.head)
  }
}

struct ParsedResponse: Equatable {
  var status: UInt16
  var reason: String
  var minorVersion: UInt8
  var framing: BodyFraming
  var keepsAlive: Bool
  var end: Int
  var fields: [String]

  init(_ response: borrowing ResponseHead, to method: Method) {
    status = response.status
    reason = text(response.head.bytes(response.reason))
    minorVersion = response.minorVersion
    framing = response.framing(requestMethod: method)
    keepsAlive = response.keepsAlive
    end = response.end
    fields = fieldTexts(response.head)
  }
}

enum Outcome<Parsed: Equatable, Failure: Error & Equatable>: Equatable {
  case incomplete
  case complete(Parsed)
  case refused(Failure, at: Int)
}

typealias RequestOutcome = Outcome<ParsedRequest, RequestError>
typealias ResponseOutcome = Outcome<ParsedResponse, ResponseError>

/// Parses `bytes`, of which first `sizes[0]`, then `sizes[1]` … and at last all have arrived, each time at
/// another address.
func parseRequest(
  _ bytes: [UInt8], arrivingAt sizes: [Int] = [], limits: HeadLimits = HeadLimits()
) -> RequestOutcome {
  var request = RequestHead()
  request.begin()
  for size in sizes + [bytes.count] {
    let arrived = Arrived(bytes.prefix(size))
    defer { withExtendedLifetime(arrived) {} }
    do {
      if unsafe try request.parse(arrived.base, count: size, limits: limits) {
        return .complete(ParsedRequest(request))
      }
    } catch {
      return .refused(error, at: request.position)
    }
  }
  return .incomplete
}

func parseResponse(
  _ bytes: [UInt8], to method: Method = .get, arrivingAt sizes: [Int] = [], limits: HeadLimits = HeadLimits()
) -> ResponseOutcome {
  var response = ResponseHead()
  response.begin()
  for size in sizes + [bytes.count] {
    let arrived = Arrived(bytes.prefix(size))
    defer { withExtendedLifetime(arrived) {} }
    do {
      if unsafe try response.parse(arrived.base, count: size, limits: limits) {
        return .complete(ParsedResponse(response, to: method))
      }
    } catch {
      return .refused(error, at: response.position)
    }
  }
  return .incomplete
}

/// Bytes in memory of exactly their size, so that the address sanitizer sees a read beyond them.
@safe final class Arrived {
  private let memory: UnsafeMutablePointer<UInt8>

  init(_ bytes: some Collection<UInt8>) {
    unsafe memory = .allocate(capacity: max(bytes.count, 1))
    for (i, byte) in bytes.enumerated() { unsafe memory[i] = byte }
  }

  deinit { unsafe memory.deallocate() }

  var base: UnsafePointer<UInt8> { unsafe UnsafePointer(memory) }
}

/// The reverse of `octets`.
func text(_ bytes: Span<UInt8>) -> String {
  var result = String.UnicodeScalarView()
  for i in bytes.indices { result.append(Unicode.Scalar(bytes[i])) }
  return String(result)
}

/// `name|value` of each line.
func fieldTexts(_ head: borrowing Head) -> [String] {
  var result: [String] = []
  for line in head.lines { result.append(text(head.name(line)) + "|" + text(head.value(line))) }
  return result
}

/// One byte for each Unicode scalar up to 255, so that tests can write any byte as `\u{80}`.
func octets(_ text: String) -> [UInt8] {
  text.unicodeScalars.map { UInt8($0.value) }
}
