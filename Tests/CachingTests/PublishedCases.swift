// The cases below are taken from http-tests/cache-tests, under this licence:
//
// BSD 3-Clause License
//
// Copyright (c) 2018, Mark Nottingham
// All rights reserved.
//
// Redistribution and use in source and binary forms, with or without
// modification, are permitted provided that the following conditions are met:
//
// * Redistributions of source code must retain the above copyright notice, this
//   list of conditions and the following disclaimer.
//
// * Redistributions in binary form must reproduce the above copyright notice,
//   this list of conditions and the following disclaimer in the documentation
//   and/or other materials provided with the distribution.
//
// * Neither the name of the copyright holder nor the names of its
//   contributors may be used to endorse or promote products derived from
//   this software without specific prior written permission.
//
// THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS"
// AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE
// IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
// DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE
// FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
// DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
// SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER
// CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY,
// OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
// OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.

/// Cases of the public suite http-tests/cache-tests: those of kind "required" and "optimal" in which one
/// response is stored or not and then reused or not. The others need a proxy around the rules.
struct PublishedCase: Sendable {
  var id: String
  var status: Int
  /// Of the response; `{n}` stands for the date n seconds from its arrival.
  var fields: [String]
  var firstRequest: [String]
  var secondRequest: [String]
  /// Three seconds pass between the requests.
  var pauses: Bool
  var isReused: Bool

  init(
    _ id: String, status: Int = 200, _ fields: [String], first: [String] = [], second: [String] = [],
    pause: Bool = false, isReused: Bool
  ) {
    self.id = id
    self.status = status
    self.fields = fields
    firstRequest = first
    secondRequest = second
    pauses = pause
    self.isReused = isReused
  }
}

let publishedCases: [PublishedCase] = [
  PublishedCase("freshness-max-age", ["Cache-Control: max-age=3600"], pause: true, isReused: true),
  PublishedCase(
    "freshness-max-age-stale", ["Cache-Control: max-age=2", "Date: {0}", "Template-A: 1"], pause: true,
    isReused: false),
  PublishedCase(
    "freshness-max-age-max-minus-1", ["Cache-Control: max-age=2147483647"], pause: true, isReused: true),
  PublishedCase(
    "freshness-max-age-max-plus-1", ["Cache-Control: max-age=2147483649"], pause: true, isReused: true),
  PublishedCase(
    "freshness-max-age-age", ["Date: {0}", "Cache-Control: max-age=3600", "Age: 7200"], pause: true,
    isReused: false),
  PublishedCase(
    "freshness-max-age-expires-invalid", ["Cache-Control: max-age=3600", "Expires: 0", "Date: {0}"],
    pause: true, isReused: true),
  PublishedCase(
    "freshness-max-age-extension", ["Cache-Control: foobar, max-age=3600"], pause: true, isReused: true),
  PublishedCase(
    "freshness-max-age-case-insenstive", ["Cache-Control: MaX-aGe=3600"], pause: true, isReused: true),
  PublishedCase("freshness-s-maxage-shared", ["Cache-Control: s-maxage=3600"], pause: true, isReused: true),
  PublishedCase(
    "freshness-max-age-s-maxage-shared-longer", ["Cache-Control: max-age=3600, s-maxage=1"], pause: true,
    isReused: false),
  PublishedCase(
    "freshness-max-age-s-maxage-shared-longer-multiple",
    ["Cache-Control: max-age=3600", "Cache-Control: s-maxage=1"], pause: true, isReused: false),
  PublishedCase(
    "freshness-max-age-ignore-quoted", ["Cache-Control: extension=\"max-age=3600\", max-age=1"], pause: true,
    isReused: false),
  PublishedCase(
    "freshness-max-age-ignore-quoted-rev", ["Cache-Control: max-age=1, extension=\"max-age=3600\""],
    pause: true, isReused: false),
  PublishedCase(
    "age-parse-negative", ["Date: {0}", "Cache-Control: max-age=3600", "Age: -7200"], pause: true,
    isReused: true),
  PublishedCase(
    "age-parse-float", ["Date: {0}", "Cache-Control: max-age=3600", "Age: 7200.0"], pause: true,
    isReused: true),
  PublishedCase(
    "age-parse-large-minus-one", ["Date: {0}", "Cache-Control: max-age=3600", "Age: 2147483647"], pause: true,
    isReused: false),
  PublishedCase(
    "age-parse-larger", ["Date: {0}", "Cache-Control: max-age=3600", "Age: 2147483649"], pause: true,
    isReused: false),
  PublishedCase(
    "age-parse-suffix", ["Date: {0}", "Cache-Control: max-age=3600", "Age: 7200, 0"], pause: true,
    isReused: false),
  PublishedCase(
    "age-parse-prefix", ["Date: {0}", "Cache-Control: max-age=3600", "Age: 0, 7200"], pause: true,
    isReused: true),
  PublishedCase(
    "age-parse-dup-0-twoline", ["Date: {0}", "Cache-Control: max-age=3600", "Age: 0", "Age: 0"], pause: true,
    isReused: true),
  PublishedCase(
    "age-parse-dup-old", ["Date: {0}", "Cache-Control: max-age=10000", "Age: 3600", "Age: 3600"], pause: true,
    isReused: true),
  PublishedCase(
    "freshness-expires-future", ["Expires: {2592000}", "Date: {0}"], pause: true, isReused: true),
  PublishedCase("freshness-expires-present", ["Expires: {0}", "Date: {0}"], isReused: false),
  PublishedCase("freshness-expires-invalid", ["Expires: 0", "Date: {0}"], pause: true, isReused: false),
  PublishedCase(
    "freshness-expires-age-slow-date", ["Date: {-10}", "Expires: {10}", "Age: 25"], isReused: false),
  PublishedCase(
    "freshness-expires-age-fast-date", ["Date: {10}", "Expires: {20}", "Age: 15"], isReused: false),
  PublishedCase(
    "freshness-expires-rfc850", ["Expires: Thursday, 18-Aug-50 02:01:18 GMT", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "freshness-expires-ansi-c", ["Expires: Thu Aug  8 02:01:18 2050", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "freshness-expires-wrong-case-weekday", ["Expires: THU, 18 Aug 2050 02:01:18 GMT", "Date: {0}"],
    pause: true, isReused: true),
  PublishedCase(
    "freshness-expires-wrong-case-month", ["Expires: Thu, 18 AUG 2050 02:01:18 GMT", "Date: {0}"],
    pause: true, isReused: true),
  PublishedCase(
    "freshness-expires-invalid-utc", ["Expires: Thu, 18 Aug 2050 02:01:18 UTC", "Date: {0}"], pause: true,
    isReused: false),
  PublishedCase(
    "freshness-expires-invalid-no-comma", ["Expires: Thu 18 Aug 2050 02:01:18 GMT", "Date: {0}"], pause: true,
    isReused: false),
  PublishedCase(
    "freshness-expires-invalid-time-periods", ["Expires: Thu, 18 Aug 2050 02.01.18 GMT", "Date: {0}"],
    isReused: false),
  PublishedCase(
    "freshness-expires-invalid-1-digit-hour", ["Expires: Thu, 18 Aug 2050 2:01:18 GMT", "Date: {0}"],
    isReused: false),
  PublishedCase(
    "freshness-expires-invalid-multiple-lines",
    ["Expires: Thu, 18 Aug 2050 2:01:18 GMT", "Expires: Thu, 18 Aug 2050 2:01:19 GMT", "Date: {0}"],
    isReused: false),
  PublishedCase("cc-resp-private-shared", ["Cache-Control: private, max-age=3600"], isReused: false),
  PublishedCase("cc-resp-no-store", ["Cache-Control: no-store"], isReused: false),
  PublishedCase(
    "cc-resp-no-store-fresh", ["Cache-Control: max-age=10000, no-store", "Expires: {10000}", "Date: {0}"],
    isReused: false),
  PublishedCase(
    "cc-resp-no-cache", ["Cache-Control: max-age=10000, no-cache", "Expires: {10000}", "Date: {0}"],
    isReused: false),
  PublishedCase(
    "cc-resp-must-revalidate-fresh", ["Cache-Control: max-age=10000, must-revalidate", "ETag: \"abcd\""],
    isReused: true),
  PublishedCase(
    "stale-while-revalidate", ["Cache-Control: max-age=1, stale-while-revalidate=3600", "ETag: \"abc\""],
    pause: true, isReused: true),
  PublishedCase("heuristic-200-cached", ["Last-Modified: {-86400}", "Date: {0}"], isReused: true),
  PublishedCase(
    "heuristic-201-not_cached", status: 201, ["Last-Modified: {-86400}", "Date: {0}"], isReused: false),
  PublishedCase(
    "heuristic-202-not_cached", status: 202, ["Last-Modified: {-86400}", "Date: {0}"], isReused: false),
  PublishedCase(
    "heuristic-203-cached", status: 203, ["Last-Modified: {-86400}", "Date: {0}"], isReused: true),
  PublishedCase(
    "heuristic-404-cached", status: 404, ["Last-Modified: {-86400}", "Date: {0}"], isReused: true),
  PublishedCase(
    "heuristic-405-cached", status: 405, ["Last-Modified: {-86400}", "Date: {0}"], isReused: true),
  PublishedCase(
    "heuristic-414-cached", status: 414, ["Last-Modified: {-86400}", "Date: {0}"], isReused: true),
  PublishedCase(
    "heuristic-502-not_cached", status: 502, ["Last-Modified: {-86400}", "Date: {0}"], isReused: false),
  PublishedCase(
    "heuristic-503-not_cached", status: 503, ["Last-Modified: {-86400}", "Date: {0}"], isReused: false),
  PublishedCase(
    "heuristic-504-not_cached", status: 504, ["Last-Modified: {-86400}", "Date: {0}"], isReused: false),
  PublishedCase(
    "status-200-fresh", ["Cache-Control: max-age=100000", "Date: {0}"], pause: true, isReused: true),
  PublishedCase(
    "status-200-stale", ["Expires: {-5000}", "Last-Modified: {-100000}", "Date: {0}"], pause: true,
    isReused: false),
  PublishedCase(
    "status-203-fresh", status: 203, ["Cache-Control: max-age=100000", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "status-204-fresh", status: 204, ["Cache-Control: max-age=100000", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "status-204-stale", status: 204, ["Expires: {-5000}", "Last-Modified: {-100000}", "Date: {0}"],
    pause: true, isReused: false),
  PublishedCase(
    "status-299-fresh", status: 299, ["Cache-Control: max-age=100000", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "status-299-stale", status: 299, ["Expires: {-5000}", "Last-Modified: {-100000}", "Date: {0}"],
    pause: true, isReused: false),
  PublishedCase(
    "status-301-fresh", status: 301, ["Cache-Control: max-age=100000", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "status-302-fresh", status: 302, ["Cache-Control: max-age=100000", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "status-303-fresh", status: 303, ["Cache-Control: max-age=100000", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "status-307-fresh", status: 307, ["Cache-Control: max-age=100000", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "status-307-stale", status: 307, ["Expires: {-5000}", "Last-Modified: {-100000}", "Date: {0}"],
    pause: true, isReused: false),
  PublishedCase(
    "status-308-fresh", status: 308, ["Cache-Control: max-age=100000", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "status-308-stale", status: 308, ["Expires: {-5000}", "Last-Modified: {-100000}", "Date: {0}"],
    pause: true, isReused: false),
  PublishedCase(
    "status-400-fresh", status: 400, ["Cache-Control: max-age=100000", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "status-400-stale", status: 400, ["Expires: {-5000}", "Last-Modified: {-100000}", "Date: {0}"],
    pause: true, isReused: false),
  PublishedCase(
    "status-404-fresh", status: 404, ["Cache-Control: max-age=100000", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "status-404-stale", status: 404, ["Expires: {-5000}", "Last-Modified: {-100000}", "Date: {0}"],
    pause: true, isReused: false),
  PublishedCase(
    "status-410-fresh", status: 410, ["Cache-Control: max-age=100000", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "status-410-stale", status: 410, ["Expires: {-5000}", "Last-Modified: {-100000}", "Date: {0}"],
    pause: true, isReused: false),
  PublishedCase(
    "status-499-fresh", status: 499, ["Cache-Control: max-age=100000", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "status-500-fresh", status: 500, ["Cache-Control: max-age=100000", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "status-502-fresh", status: 502, ["Cache-Control: max-age=100000", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "status-503-fresh", status: 503, ["Cache-Control: max-age=100000", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "status-503-stale", status: 503, ["Expires: {-5000}", "Last-Modified: {-100000}", "Date: {0}"],
    pause: true, isReused: false),
  PublishedCase(
    "status-504-fresh", status: 504, ["Cache-Control: max-age=100000", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "status-504-stale", status: 504, ["Expires: {-5000}", "Last-Modified: {-100000}", "Date: {0}"],
    pause: true, isReused: false),
  PublishedCase(
    "status-599-fresh", status: 599, ["Cache-Control: max-age=100000", "Date: {0}"], pause: true,
    isReused: true),
  PublishedCase(
    "status-599-stale", status: 599, ["Expires: {-5000}", "Last-Modified: {-100000}", "Date: {0}"],
    pause: true, isReused: false),
  PublishedCase(
    "status-599-must-understand", status: 599, ["Cache-Control: max-age=3600, no-store, must-understand"],
    isReused: false),
  PublishedCase(
    "vary-match", ["Cache-Control: max-age=5000", "Last-Modified: {-3000}", "Date: {0}", "Vary: Foo"],
    first: ["Foo: 1"], second: ["Foo: 1"], isReused: true),
  PublishedCase(
    "vary-no-match", ["Cache-Control: max-age=5000", "Last-Modified: {-3000}", "Date: {0}", "Vary: Foo"],
    first: ["Foo: 1"], second: ["Foo: 2"], isReused: false),
  PublishedCase(
    "vary-omit-stored", ["Cache-Control: max-age=5000", "Last-Modified: {-3000}", "Date: {0}", "Vary: Foo"],
    second: ["Foo: 1"], isReused: false),
  PublishedCase(
    "vary-omit", ["Cache-Control: max-age=5000", "Last-Modified: {-3000}", "Date: {0}", "Vary: Foo"],
    first: ["Foo: 1"], isReused: false),
  PublishedCase(
    "vary-2-match", ["Cache-Control: max-age=5000", "Last-Modified: {-3000}", "Date: {0}", "Vary: Foo, Bar"],
    first: ["Foo: 1", "Bar: abc"], second: ["Foo: 1", "Bar: abc"], isReused: true),
  PublishedCase(
    "vary-2-match-omit",
    ["Cache-Control: max-age=5000", "Last-Modified: {-3000}", "Date: {0}", "Vary: Foo, Bar"],
    first: ["Foo: 1", "Bar: abc"], isReused: false),
  PublishedCase(
    "vary-3-match",
    ["Cache-Control: max-age=5000", "Last-Modified: {-3000}", "Date: {0}", "Vary: Foo, Bar, Baz"],
    first: ["Foo: 1", "Bar: abc", "Baz: 789"], second: ["Foo: 1", "Bar: abc", "Baz: 789"], isReused: true),
  PublishedCase(
    "vary-3-no-match",
    ["Cache-Control: max-age=5000", "Last-Modified: {-3000}", "Date: {0}", "Vary: Foo, Bar, Baz"],
    first: ["Foo: 1", "Bar: abc", "Baz: 789"], second: ["Foo: 2", "Bar: abc", "Baz: 789"], isReused: false),
  PublishedCase(
    "vary-normalise-combine",
    ["Cache-Control: max-age=5000", "Last-Modified: {-3000}", "Date: {0}", "Vary: Foo"], first: ["Foo: 1, 2"],
    second: ["Foo: 1", "Foo: 2"], isReused: true),
  PublishedCase(
    "vary-normalise-lang-order",
    ["Cache-Control: max-age=5000", "Last-Modified: {-3000}", "Date: {0}", "Vary: Accept-Language"],
    first: ["Accept-Language: en, de"], second: ["Accept-Language: de, en"], isReused: true),
  PublishedCase(
    "vary-normalise-lang-space",
    ["Cache-Control: max-age=5000", "Last-Modified: {-3000}", "Date: {0}", "Vary: Accept-Language"],
    first: ["Accept-Language: en, de"], second: ["Accept-Language:  en ,   de"], isReused: true),
  PublishedCase(
    "vary-syntax-star", ["Cache-Control: max-age=5000", "Last-Modified: {-3000}", "Date: {0}", "Vary: *"],
    first: ["Foo: 1", "Baz: 789"], second: ["Foo: 1", "Baz: 789"], isReused: false),
  PublishedCase(
    "vary-syntax-star-star",
    ["Cache-Control: max-age=5000", "Last-Modified: {-3000}", "Date: {0}", "Vary: *, *"],
    first: ["Foo: 1", "Baz: 789"], second: ["Foo: 1", "Baz: 789"], isReused: false),
  PublishedCase(
    "vary-syntax-empty-star",
    ["Cache-Control: max-age=5000", "Last-Modified: {-3000}", "Date: {0}", "Vary: , *"],
    first: ["Foo: 1", "Baz: 789"], second: ["Foo: 1", "Baz: 789"], isReused: false),
  PublishedCase(
    "vary-syntax-foo-star",
    ["Cache-Control: max-age=5000", "Last-Modified: {-3000}", "Date: {0}", "Vary: Foo, *"],
    first: ["Foo: 1", "Baz: 789"], second: ["Foo: 1", "Baz: 789"], isReused: false),
  PublishedCase(
    "other-authorization", ["Cache-Control: max-age=100000", "Date: {0}"], first: ["Authorization: FOO"],
    pause: true, isReused: false),
  PublishedCase(
    "other-authorization-public", ["Cache-Control: max-age=3600, public", "Date: {0}"],
    first: ["Authorization: FOO"], pause: true, isReused: true),
  PublishedCase(
    "other-authorization-smaxage", ["Cache-Control: s-maxage=3600", "Date: {0}"],
    first: ["Authorization: FOO"], pause: true, isReused: true),
  PublishedCase(
    "other-age-update-max-age", ["Cache-Control: max-age=100000", "Date: {0}", "Age: 30"], pause: true,
    isReused: true),
  PublishedCase(
    "other-date-update", ["Cache-Control: max-age=100000", "Date: {0}"], pause: true, isReused: true),
  PublishedCase(
    "other-set-cookie", ["Cache-Control: max-age=100000", "Date: {0}", "Set-Cookie: a=b"], pause: true,
    isReused: true),
  PublishedCase("cdn-max-age", ["CDN-Cache-Control: max-age=3600"], pause: true, isReused: true),
  PublishedCase("cdn-max-age-max", ["CDN-Cache-Control: max-age=2147483648"], pause: true, isReused: true),
  PublishedCase(
    "cdn-max-age-age", ["Date: {0}", "CDN-Cache-Control: max-age=3600", "Age: 7200"], pause: true,
    isReused: false),
  PublishedCase("cdn-max-age-0", ["CDN-Cache-Control: max-age=0"], pause: true, isReused: false),
  PublishedCase(
    "cdn-max-age-cc-max-age-invalid-expires", ["CDN-Cache-Control: max-age=3600", "Expires: 0", "Date: {0}"],
    pause: true, isReused: true),
  PublishedCase(
    "cdn-max-age-short-cc-max-age", ["Cache-Control: max-age=1", "CDN-Cache-Control: max-age=3600"],
    pause: true, isReused: true),
  PublishedCase(
    "cdn-private",
    ["CDN-Cache-Control: private", "Cache-Control: max-age=10000", "Expires: {10000}", "Date: {0}"],
    isReused: false),
  PublishedCase(
    "cdn-no-cache",
    ["CDN-Cache-Control: no-cache", "Cache-Control: max-age=10000", "Expires: {10000}", "Date: {0}"],
    isReused: false),
  PublishedCase(
    "cdn-cc-invalid-sh-type-unknown", ["CDN-Cache-Control: max-age=10000, &&&&&", "Cache-Control: no-store"],
    pause: true, isReused: false),
  PublishedCase(
    "cdn-cc-invalid-sh-type-wrong", ["CDN-Cache-Control: max-age=\"10000\"", "Cache-Control: no-store"],
    pause: true, isReused: false),
]
