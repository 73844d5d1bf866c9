// swift-tools-version: 6.3
import PackageDescription

let settings: [SwiftSetting] = [
  .enableExperimentalFeature("Lifetimes"),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  // One thread owns each object on the data path; a check costs 12 ns per access and finds nothing there.
  // Debug builds and tests keep the checks.
  .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

/// A module of ours: its folder in `Sources`, and the layers below it that it may call.
func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

let package = Package(
  name: "larder",
  products: [
    .executable(name: "larder", targets: ["larder"]),
    // For tests alone, which preload it.
    .library(name: "JumpingClock", type: .dynamic, targets: ["JumpingClock"]),
    .library(name: "FailingCalls", type: .dynamic, targets: ["FailingCalls"]),
  ],
  dependencies: [],
  targets: [
    .target(name: "CLinux"),
    .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    module("Bytes", ["CLinux"]),
    module("IO", ["CLinux", "Bytes"]),
    module("HTTP", ["Bytes"]),
    module("Caching", ["Bytes", "HTTP"]),
    module("Storage", ["CLinux", "COpenSSL", "Bytes", "Caching"]),
    module("Upstream", ["CLinux", "Bytes", "IO"]),
    module("Telemetry", ["CLinux", "Bytes"]),
    module("Proxy", ["CLinux", "Bytes", "IO", "HTTP", "Caching", "Storage", "Upstream", "Telemetry"]),
    .executableTarget(
      name: "larder", dependencies: ["CLinux", "Bytes", "IO", "Storage", "Upstream", "Proxy"],
      swiftSettings: settings),
    // The far ends of real sockets: blocking calls all over, so strict memory safety would only add noise.
    .target(
      name: "TestSupport", dependencies: ["CLinux", "Bytes"], path: "Tests/TestSupport",
      swiftSettings: [.treatAllWarnings(as: .error)]),
    // What a hit costs: a program that counts, and the test that compares.
    .target(name: "CallCounter", path: "Tests/CallCounter"),
    .target(name: "JumpingClock", path: "Tests/JumpingClock"),
    .target(name: "FailingCalls", path: "Tests/FailingCalls"),
    .executableTarget(
      name: "hit-cost", dependencies: ["CallCounter", "IO", "Upstream", "Proxy"], path: "Tests/HitCost",
      swiftSettings: settings),
    .testTarget(
      name: "CostTests", dependencies: ["TestSupport"], exclude: ["limits.json"], swiftSettings: settings),
    tests("BytesTests", ["Bytes"]),
    tests("IOTests", ["CLinux", "Bytes", "IO"]),
    tests("MachineTests", ["Bytes", "HTTP", "Proxy"]),
    tests("HTTPTests", ["HTTP"]),
    tests("CachingTests", ["Caching"]),
    tests("StorageTests", ["CLinux", "Storage", "Bytes", "Caching", "TestSupport"]),
    tests("UpstreamTests", ["Bytes", "IO", "Upstream"]),
    tests(
      "ProxyTests",
      ["CLinux", "Bytes", "IO", "HTTP", "Caching", "Storage", "Upstream", "Telemetry", "Proxy"]),
    tests(
      "ConfigurationTests", ["IO", "Caching", "Storage", "Upstream", "Proxy", "larder", "TestSupport"]),
    tests("TelemetryTests", ["Telemetry", "Bytes"]),
    .target(name: "ThreadStop", path: "Tests/ThreadStop"),
    tests("LarderTests", ["larder", "TestSupport", "ThreadStop", "FailingCalls"]),
    tests("StyleTests", []),
  ],
  swiftLanguageModes: [.v6]
)
