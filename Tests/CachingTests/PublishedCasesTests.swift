import Bytes
import Caching
import Testing

@Suite("Published conformance cases")
struct PublishedCasesTests {
  /// Whether the second request is answered from what the first one's response left behind.
  private static func isReused(_ row: PublishedCase, _ options: CachingOptions) throws -> Bool {
    let seed = HashSeed(1, 2)
    return try withFields(row.firstRequest) { first in
      try withFields(row.secondRequest) { second in
        try withResponse(row.fields.map(dated), status: row.status) { response in
          let traits = RequestTraits(first, directives: .parse(from: first), hasBody: false)
          let verdict = storability(
            method: .get, request: traits, status: UInt16(row.status), response: response,
            directives: .parse(from: response), requestTime: noon, responseTime: noon, wallTime: noon,
            options: options)
          guard case .storable(let freshness) = verdict else { return false }
          let names = VaryList.parse(from: response).names
          let stored = selectingHash(names.span, request: first, seed: seed)
          let presented = selectingHash(names.span, request: second, seed: seed)
          guard stored == presented else { return false }
          let now: Int64 = row.pauses ? noon + 3 : noon
          let use = RequestDirectives.parse(from: second).use(freshness, at: now, strict: options.strict)
          return use == .fresh || use == .staleWhileRevalidating
        }
      }
    }
  }

  /// `{n}` is a date.
  private static func dated(_ field: String) -> String {
    guard let open = field.firstIndex(of: "{"), let close = field.firstIndex(of: "}"),
      let offset = Int64(field[field.index(after: open)..<close])
    else { return field }
    return field[..<open] + date(offset) + field[field.index(after: close)...]
  }

  @Test(arguments: publishedCases)
  func `strict profile`(_ row: PublishedCase) throws {
    #expect(try Self.isReused(row, CachingOptions(strict: true)) == row.isReused, "\(row.id)")
  }

  /// Where the default profile departs from the suite: it stores no cookies (L17), and no errors by a guess
  /// (S7).
  static let departures = [
    "other-set-cookie", "heuristic-404-cached", "heuristic-405-cached", "heuristic-414-cached",
  ]

  @Test(arguments: publishedCases.filter { !departures.contains($0.id) })
  func `default profile`(_ row: PublishedCase) throws {
    #expect(try Self.isReused(row, CachingOptions()) == row.isReused, "\(row.id)")
  }
}
