import Foundation

/// A value that threads change and wait for. Tests wait for a condition with a deadline, never for a time.
public final class Watched<Value>: @unchecked Sendable {
  private let condition = NSCondition()
  private var value: Value

  public init(_ value: Value) { self.value = value }

  public func update<R>(_ body: (inout Value) throws -> R) rethrows -> R {
    condition.lock()
    defer {
      condition.broadcast()
      condition.unlock()
    }
    return try body(&value)
  }

  public func read<R>(_ body: (Value) throws -> R) rethrows -> R {
    condition.lock()
    defer { condition.unlock() }
    return try body(value)
  }

  /// Waits until `found` gives a value. Throws `SupportError.waitedInVain` after `seconds`.
  public func wait<R>(for what: String, seconds: Double = 15, _ found: (Value) throws -> R?) throws -> R {
    let deadline = Date(timeIntervalSinceNow: seconds)
    condition.lock()
    defer { condition.unlock() }
    while true {
      if let result = try found(value) { return result }
      guard condition.wait(until: deadline) else {
        if let result = try found(value) { return result }
        throw SupportError.waitedInVain(what)
      }
    }
  }
}

/// A named event: an origin's script waits for it, the test opens it (or the other way round).
public final class Gate: Sendable {
  public let name: String
  private let isOpenNow = Watched(false)

  public init(_ name: String) { self.name = name }

  public var isOpen: Bool { isOpenNow.read { $0 } }
  public func open() { isOpenNow.update { $0 = true } }
  public func wait(seconds: Double = 15) throws {
    _ = try isOpenNow.wait(for: "gate \(name)", seconds: seconds) { $0 ? true : nil }
  }
}

/// What goes wrong on the test's own side of a socket or process.
public enum SupportError: Error, CustomStringConvertible {
  case waitedInVain(String)
  case timedOut(String)
  case peerClosed(String)
  case peerReset(String)
  case malformed(String)
  case system(String, CInt)
  case processFailed(String)

  public var description: String {
    switch self {
    case .waitedInVain(let what): "waited in vain for \(what)"
    case .timedOut(let what): "time-out: \(what)"
    case .peerClosed(let what): "the peer closed: \(what)"
    case .peerReset(let what): "the peer reset: \(what)"
    case .malformed(let what): "malformed: \(what)"
    case .system(let call, let code): "\(call): \(String(cString: strerror(code)))"
    case .processFailed(let what): what
    }
  }
}

/// Runs `body` on `count` threads at once and returns the results in order; rethrows the first error.
public func inParallel<R: Sendable>(_ count: Int, _ body: @escaping @Sendable (Int) throws -> R) throws -> [R]
{
  let results = Watched([Int: Result<R, any Error>]())
  for index in 0..<count {
    startThread { results.updateOne(index, Result { try body(index) }) }
  }
  let all = try results.wait(for: "\(count) threads", seconds: 60) { $0.count == count ? $0 : nil }
  return try (0..<count).map { try all[$0]!.get() }
}

/// Runs `body` on a thread of its own; `value()` waits for its result.
public final class Task<R: Sendable>: Sendable {
  private let result = Watched(Result<R, any Error>?.none)

  public init(_ body: @escaping @Sendable () throws -> R) {
    startThread { [result] in
      let outcome = Result { try body() }
      result.update { $0 = outcome }
    }
  }

  public var isDone: Bool { result.read { $0 != nil } }
  public func value(seconds: Double = 30) throws -> R {
    try result.wait(for: "a background task", seconds: seconds) { $0 }.get()
  }
}

extension Watched {
  fileprivate func updateOne<K, V>(_ key: K, _ one: V) where Value == [K: V] { update { $0[key] = one } }
}

func startThread(_ body: @escaping @Sendable () -> Void) {
  let thread = Thread(block: body)
  thread.stackSize = 512 << 10
  thread.start()
}

/// Polls a condition that no event announces (a counter of another process), 100 times a second.
public func eventually(_ what: String, seconds: Double = 10, _ holds: () throws -> Bool) throws {
  let deadline = Date(timeIntervalSinceNow: seconds)
  while try !holds() {
    guard Date() < deadline else { throw SupportError.waitedInVain(what) }
    usleep(10_000)
  }
}

/// Lets time pass where the rule under test is about time; never to wait for something that has an event.
public func pause(milliseconds: Int) { usleep(UInt32(milliseconds) * 1000) }
