import CallCounter
import Glibc

/// How often something was counted, by its address.
typealias Tally = [(address: UInt, count: Int)]

/// The counters of allocations at one moment.
struct Snapshot {
  let count = call_counter_allocations()
  let places: Tally

  init() { unsafe places = tally(call_counter_allocation) }
}

/// The counters of steps at one moment.
struct Steps {
  let counts = call_counter_steps()
  let atomics: Tally
  let types: Tally
  let callers: Tally
  let instructions: Tally

  init() {
    unsafe atomics = tally(call_counter_atomic)
    unsafe types = tally(call_counter_type)
    unsafe callers = tally(call_counter_caller)
    var instructions: Tally = []
    for n in 0..<65_536 {
      let place = unsafe call_counter_instruction(CInt(n))
      if let address = unsafe place.address {
        instructions.append((UInt(bitPattern: address), unsafe place.count))
      }
    }
    self.instructions = instructions
  }
}

private func tally(_ get: (CInt) -> counted_place) -> Tally {
  var tally: Tally = []
  for n in 0... {
    let place = unsafe get(CInt(n))
    guard let address = unsafe place.address else { break }
    tally.append((UInt(bitPattern: address), unsafe place.count))
  }
  return tally
}

/// What was counted between two moments, by name.
private func difference(_ end: [(String, Int)], _ start: [(String, Int)]) -> [(String, Int)] {
  var totals: [String: Int] = [:]
  for (name, count) in end { totals[name, default: 0] += count }
  for (name, count) in start { totals[name, default: 0] -= count }
  return totals.filter { $0.value > 0 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
}

private func functions(_ tally: Tally) -> [(String, Int)] {
  tally.map { address, count in
    guard let text = unsafe call_counter_name(UnsafeRawPointer(bitPattern: address)) else {
      return ("unknown", count)
    }
    defer { unsafe free(text) }
    return (unsafe String(cString: text), count)
  }
}

private func types(_ tally: Tally) -> [(String, Int)] {
  tally.map { address, count in
    // Metadata of a class begins with 0 on Linux, or with its own metadata's address; closures and boxes have
    // small numbers.
    let type = unsafe UnsafeRawPointer(bitPattern: address)!
    let kind = unsafe type.load(as: UInt.self)
    guard kind == 0 || kind > 0x7ff else { return ("closure or box", count) }
    return (_typeName(unsafe unsafeBitCast(type, to: Any.Type.self), qualified: false), count)
  }
}

/// One scenario's costs: allocations of all hits together, and what one hit does, step by step.
func report(
  _ scenario: Scenario, miss: Int, _ before: Snapshot, _ after: Snapshot, _ steps: (start: Steps, end: Steps)?
) -> String {
  let places = difference(functions(after.places), functions(before.places))
  var lines = [
    #""name": \#(quoted(scenario.name))"#,
    #""hits": \#(hitsCounted)"#,
    #""allocations": \#(after.count - before.count)"#,
    #""allocationsOfMiss": \#(miss)"#,
    #""allocating": \#(object(places))"#,
  ]
  if let (start, end) = steps {
    let running = difference(functions(end.instructions), functions(start.instructions))
    lines += [
      #""instructions": \#(end.counts.instructions - start.counts.instructions)"#,
      #""systemCalls": \#(end.counts.system_calls - start.counts.system_calls)"#,
      #""retains": \#(end.counts.retains - start.counts.retains)"#,
      #""releases": \#(end.counts.releases - start.counts.releases)"#,
      #""counted": \#(object(difference(types(end.types), types(start.types))))"#,
      #""counting": \#(object(difference(functions(end.callers), functions(start.callers))))"#,
      #""atomics": \#(end.counts.atomics - start.counts.atomics)"#,
      #""atomic": \#(object(difference(functions(end.atomics), functions(start.atomics))))"#,
      #""running": \#(object(Array(running.prefix(60))))"#,
    ]
  }
  return "{\n" + lines.joined(separator: ",\n") + "\n}"
}

private func object(_ pairs: [(String, Int)]) -> String {
  "{" + pairs.map { "\(quoted($0.0)): \($0.1)" }.joined(separator: ", ") + "}"
}

private func quoted(_ text: String) -> String {
  "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
}
