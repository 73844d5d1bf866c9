import Bytes
import Testing

@testable import Storage

/// Random operations on the store and on a model made of dictionaries, compared after each.
@Suite("Index against a model")
struct IndexModelTests {
  struct Variant: Hashable {
    var list: String
    var value: String
  }

  struct Entry {
    var body: String
    var born: UInt64
    var url: String
    var isSoft = false
  }

  struct Key {
    var lists: [String] = []
    var entries: [Variant: Entry] = [:]
    var marks: Set<Variant> = []

    /// What a request with these fields finds: the newest list first.
    func lookUp(_ fields: [String: String]) -> Seen {
      var isMarked = false
      for list in lists {
        let variant = Variant(list: list, value: list.isEmpty ? "" : fields[list] ?? "-")
        isMarked = isMarked || marks.contains(variant)
        guard let entry = entries[variant] else { continue }
        return isMarked
          ? .markedStale(entry.body) : entry.isSoft ? .softlyPurged(entry.body) : .body(entry.body)
      }
      return isMarked ? .mark : .nothing
    }

    mutating func makeNewest(_ list: String) {
      lists.removeAll { $0 == list }
      lists.insert(list, at: 0)
    }

    /// A key that holds nothing is forgotten with its lists.
    mutating func forgetIfEmpty() {
      if entries.isEmpty, marks.isEmpty { lists = [] }
    }
  }

  struct OpenFill {
    var fill: Fill
    var key: Int
    var url: String
    var body: String
    var variant: Variant
    var fields: [String: String]
  }

  @Test(arguments: Array(1...12) + [UInt64.random(in: 0...UInt64.max)])
  func `look-ups find what a simple model says`(_ seed: UInt64) throws {
    print("index model: seed \(seed)")
    var random = SeededRandom(seed)
    let larder = Larder()
    var keys = Array(repeating: Key(), count: 12)
    var open: [OpenFill] = []
    var purges: [(url: String, soft: Bool, sequence: UInt64)] = []
    for step in 0..<1500 {
      let comment: Comment = "seed \(seed), step \(step)"
      switch random.below(20) {
      case 0...5: open.append(begin(larder, &random, step))
      case 6...11:
        guard !open.isEmpty else { continue }
        let fill = open.remove(at: random.below(open.count))
        try finish(fill, larder, &keys, purges, comment)
      case 12:
        guard !open.isEmpty else { continue }
        let fill = open.remove(at: random.below(open.count))
        larder.store.mark(fill.fill, until: 1000)
        larder.store.end(fill.fill)
        keys[fill.key].makeNewest(fill.variant.list)
        keys[fill.key].marks.insert(fill.variant)
      case 13, 14:
        let url = "url \(random.below(5))"
        let soft = random.below(2) == 0
        let bytes = Array(url.utf8)
        let (purged, sequence) = larder.store.purge(url: bytes.span, soft: soft)
        purges.append((url, soft, sequence))
        try #require(purged == apply(url, soft: soft, to: &keys), comment)
      default: break
      }
      let key = random.below(12)
      let fields = ["a": "\(random.below(3))", "b": "\(random.below(3))"]
      try #require(larder.lookUp("key \(key)", fields) == keys[key].lookUp(fields), comment)
    }
    for fill in open { larder.store.end(fill.fill) }
    open = []
    let statistics = larder.store.statistics
    #expect(statistics.entries == keys.reduce(0) { $0 + $1.entries.count })
    #expect(statistics.marks == keys.reduce(0) { $0 + $1.marks.count })
    #expect(statistics.purgeRecords == 0)
  }

  private func begin(_ larder: Larder, _ random: inout SeededRandom, _ step: Int) -> OpenFill {
    let key = random.below(12)
    let url = "url \(random.below(5))"
    let list = ["", "a", "b"][random.below(3)]
    let fields = ["a": "\(random.below(3))", "b": "\(random.below(3))"]
    let fill = larder.startPrivate("key \(key)", url: url)
    larder.head(fill, vary: list, fields)
    return OpenFill(
      fill: fill, key: key, url: url, body: "body \(step)",
      variant: Variant(list: list, value: list.isEmpty ? "" : fields[list] ?? "-"), fields: fields)
  }

  private func finish(
    _ open: OpenFill, _ larder: Larder, _ keys: inout [Key],
    _ purges: [(url: String, soft: Bool, sequence: UInt64)], _ comment: Comment
  ) throws {
    let outcome = larder.finish(open.fill, open.body)
    let later = purges.filter { $0.url == open.url && $0.sequence > open.fill.born }
    if later.contains(where: { !$0.soft }) {
      try #require(outcome == .fenced, comment)
      return
    }
    keys[open.key].makeNewest(open.variant.list)
    if let old = keys[open.key].entries[open.variant], old.born > open.fill.born {
      try #require(outcome == .superseded, comment)
      return
    }
    try #require(outcome == (later.isEmpty ? .stored : .storedStale), comment)
    keys[open.key].marks.remove(open.variant)
    keys[open.key].entries[open.variant] = Entry(
      body: open.body, born: open.fill.born, url: open.url, isSoft: !later.isEmpty)
  }

  private func apply(_ url: String, soft: Bool, to keys: inout [Key]) -> Int {
    var count = 0
    for i in keys.indices {
      for (variant, entry) in keys[i].entries where entry.url == url {
        count += 1
        if soft { keys[i].entries[variant]?.isSoft = true } else { keys[i].entries[variant] = nil }
      }
      keys[i].forgetIfEmpty()
    }
    return count
  }

  @Test(arguments: [UInt64(1), 2, UInt64.random(in: 0...UInt64.max)])
  func `the table finds what was put in and nothing that was taken out`(_ seed: UInt64) throws {
    print("node table: seed \(seed)")
    var random = SeededRandom(seed)
    let arena = SlabArena(budget: 8 << 20)
    var table = NodeTable()
    var model: [(tag: UInt64, node: NodeRef)] = []
    for step in 0..<20_000 {
      // Few homes, so that chains of probes are long and wrap round.
      let tag = UInt64(random.below(400)) << 6 | UInt64(random.below(2)) << 40
      if random.below(100) < (step < 10_000 ? 60 : 40) {
        let node = NodeRef.make(
          hash: KeyHash(low: tag, high: UInt64(step)), owner: nil, listHash: 0, stripe: 0, key: Span(),
          in: arena)
        _ = table.insert(node, tag: tag)
        model.append((tag, node))
      } else if !model.isEmpty {
        let (tag, node) = model.remove(at: random.below(model.count))
        table.remove(node, tag: tag)
        let found = table.find(tag) { $0 == node }
        try #require(found == nil, "seed \(seed), step \(step)")
        node.free(in: arena)
      }
      if !model.isEmpty {
        let (tag, node) = model[random.below(model.count)]
        let found = table.find(tag) { $0 == node }
        try #require(found == node, "seed \(seed), step \(step)")
      }
      try #require(table.count == model.count)
    }
    for (_, node) in model { node.free(in: arena) }
    #expect(arena.statistics.allocatedBytes == 0)
  }
}
