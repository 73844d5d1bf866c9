import Bytes
import Testing

@Suite("A value that one thread at a time may touch")
struct GuardedTests {
  /// A value that shows when it is touched twice at a time.
  struct Twins: Sendable {
    var left = 0
    var list: [Int] = []
    var right = 0
  }

  final class Shared: Sendable { let twins = Guarded(Twins()) }

  @Test func `no change is lost over four threads`() async {
    let shared = Shared()
    let torn = await withTaskGroup(of: Int.self) { group in
      for number in 0..<4 {
        group.addTask {
          var torn = 0
          for _ in 0..<20_000 {
            shared.twins.withLock { twins in
              if twins.left != twins.right || twins.list.count > 8 { torn += 1 }
              twins.left += 1
              twins.list.append(number)
              if twins.list.count == 8 { twins.list.removeAll() }
              twins.right += 1
            }
          }
          return torn
        }
      }
      return await group.reduce(0, +)
    }
    #expect(torn == 0)
    #expect(shared.twins.withLock { $0.left } == 80_000)
  }

  private enum Refused: Error { case always }

  @Test func `an error leaves it unlocked and is passed on by its type`() {
    let guarded = Guarded(1)
    #expect(throws: Refused.always) {
      try guarded.withLock { (value: inout Int) throws(Refused) -> Void in
        value = 2
        throw .always
      }
    }
    #expect(guarded.withLock { $0 } == 2)
  }

  private final class Tracked: Sendable {
    let ended: Shared
    init(_ ended: Shared) { self.ended = ended }
    deinit { ended.twins.withLock { $0.left += 1 } }
  }

  @Test func `its value ends with it, once`() {
    let ended = Shared()
    do {
      let guarded = Guarded<Tracked?>(Tracked(ended))
      guarded.withLock { #expect($0 != nil) }
    }
    #expect(ended.twins.withLock { $0.left } == 1)
  }
}
