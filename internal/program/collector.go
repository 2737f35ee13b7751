package program

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Bounds of the garbage that may pile up before it's collected.
const (
	garbageMax        = 32 << 20 // bytes
	garbagePercentMin = 50       // of the live heap
	garbagePercentMax = 400
)

// TuneCollector lets a bounded amount of garbage grow before it's collected. Messages are short-lived: with Go's default, 100 % of the live
// heap, the collector would run dozens of times a second over a heap of a few MB; with more for every heap, a large one would take several
// times its size. After each collection the percentage is set anew by what is live. GOGC overrides it.
func TuneCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	var again func(*[16]byte)
	again = func(next *[16]byte) {
		metrics.Read(live)
		percent := garbageMax * 100 / max(1, int(live[0].Value.Uint64()))
		debug.SetGCPercent(min(max(percent, garbagePercentMin), garbagePercentMax))
		runtime.SetFinalizer(next, again) // nothing else holds it: its turn comes after the next collection
	}
	again(new([16]byte))
}
