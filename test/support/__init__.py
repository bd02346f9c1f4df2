"""What the end-to-end tests, the demo and the benchmarks share: a private broker, a service that records
what it is asked, a relay that breaks connections, a sidecar under test, and clients to look at all of it."""
