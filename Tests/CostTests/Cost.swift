import Foundation
import TestSupport

/// What `hit-cost` measured for one kind of hit.
struct Cost: Decodable {
  var name: String
  var hits: Int
  /// By `malloc` and its kin on the worker's thread, in all hits and in the miss before them.
  var allocations: Int
  var allocationsOfMiss: Int
  /// Functions that allocated, with how often.
  var allocating: [String: Int]
  /// Of one hit, step by step; missing where single steps are not to be had.
  var instructions: Int?
  var systemCalls: Int?
  var retains: Int?
  var releases: Int?
  /// Classes whose objects were retained or released, and from where.
  var counted: [String: Int]?
  var counting: [String: Int]?
  /// Functions that ran instructions.
  var running: [String: Int]?
  /// Functions that ran atomic instructions.
  var atomic: [String: Int]?

  /// Atomics that are not the Swift runtime's reference counts.
  var ownAtomics: [String: Int] {
    (atomic ?? [:]).filter { name, _ in
      name != "swift_retain" && name != "swift_release" && !name.contains("5swift9RefCounts")
    }
  }

  /// References counted, without those of the one empty array, which is never written.
  var countedReferences: Int {
    (counted ?? [:]).reduce(0) { $0 + ($1.key == "__EmptyArrayStorage" ? 0 : $1.value) }
  }

  /// `instructions` without those of the timer wheel, which are time's: the clock goes on while the program
  /// is stepped through.
  var ownInstructions: Int? {
    let ofTime = (running ?? [:]).filter { $0.key.contains("TimerWheel.advance") }
    return instructions.map { $0 - ofTime.values.reduce(0, +) }
  }
}

/// The numbers of `limits.json`.
struct Limits: Decodable {
  struct Scenario: Decodable {
    /// With 4 % above what was measured, for another compiler's whims.
    var instructions: Int
    var countedReferences: Int
  }

  /// Classes whose objects belong to one worker: counting them shares nothing.
  var ownClasses: Set<String>
  var scenarios: [String: Scenario]
}

/// The program's answers, asked for once.
enum Costs {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
  /// `scripts/test.sh` builds it first.
  static let program = root.appendingPathComponent(".build/release/hit-cost")

  static let limits = Result {
    let url = root.appendingPathComponent("Tests/CostTests/limits.json")
    return try JSONDecoder().decode(Limits.self, from: Data(contentsOf: url))
  }

  static let measured = Result { try measure() }
  /// With an access log in the format that says most.
  static let measuredLogged = Result { try measure("/dev/null") }

  private static func measure(_ arguments: String...) throws -> [Cost] {
    let process = try LarderProcess(program: program.path, arguments: arguments)
    _ = try process.awaitExit(seconds: 120)
    return try JSONDecoder().decode([Cost].self, from: Data(process.standardOutput.utf8))
  }
}
