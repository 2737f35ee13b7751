package broker

import (
	"math"
	"os"
	"strconv"
	"strings"
)

// memoryShare is the part of the machine's memory that RabbitMQ's default limit is.
const memoryShare = 0.4

// memoryHigh is the default of Options.MemoryHigh: a share of the memory that the machine or the container has, 0 where that can't be known.
func memoryHigh(machine, container string) uint64 {
	total := uint64(math.MaxUint64)
	if text, err := os.ReadFile(machine); err == nil {
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, "MemTotal:"); ok {
				if n, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64); err == nil {
					total = n << 10
				}
			}
		}
	}
	if text, err := os.ReadFile(container); err == nil {
		if n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil { // else "max"
			total = min(total, n)
		}
	}
	if total == math.MaxUint64 {
		return 0
	}
	return uint64(float64(total) * memoryShare)
}

// Where Linux tells both.
const (
	machineMemory   = "/proc/meminfo"
	containerMemory = "/sys/fs/cgroup/memory.max"
)
