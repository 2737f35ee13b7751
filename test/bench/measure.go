package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// defaultStats is how often RabbitMQ's own statistics are made by default; the test harness makes them more often.
const defaultStats = 5 * time.Second

// cpuTime is processor time used, user and system, in microseconds.
type cpuTime float64

// ownCPU is the time that this process has used.
func ownCPU() cpuTime {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return cpuTime(time.Duration(u.Utime.Nano()+u.Stime.Nano()) / time.Microsecond)
}

// processCPU is the time that another process has used, to 10 ms.
func processCPU(pid int) cpuTime {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name before may contain anything
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	const tick = 10_000 // µs; Linux shows hundredths of a second on every machine
	return cpuTime((user + system) * tick)
}

// resident is a process's memory as the system sees it, in bytes.
func resident(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kB, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kB * 1024
		}
	}
	return 0
}

// median of at least one value.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// variant is one thing that is measured, with its results of each round.
type variant struct {
	name    string
	measure func() (result, error)
	results []result
}

// compare measures all variants in turn, round after round, so that what else the machine does falls on all of them alike, and prints them.
// Unit is what is counted.
func compare(s *settings, unit string, variants []*variant, references ...*variant) error {
	if s.only != "" {
		variants = slices.DeleteFunc(variants, func(v *variant) bool { return !strings.Contains(v.name, s.only) })
		references = nil
	}
	for range s.rounds {
		for _, v := range variants {
			r, err := v.measure()
			if err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
			v.results = append(v.results, r)
		}
	}
	table(unit, variants, references)
	return nil
}

func (v *variant) best() float64 { return -v.least(func(r result) float64 { return -r.rate }) }

func (v *variant) least(of func(result) float64) float64 {
	least := of(v.results[0])
	for _, r := range v.results {
		least = min(least, of(r))
	}
	return least
}

func (v *variant) median(of func(result) float64) float64 {
	var values []float64
	for _, r := range v.results {
		values = append(values, of(r))
	}
	return median(values)
}

// ratio is the median of the ratios in each round, since both were measured under nearly the same load.
func (v *variant) ratio(reference *variant) float64 {
	var values []float64
	for i, r := range v.results {
		values = append(values, r.rate/reference.results[i].rate)
	}
	return median(values)
}

// table prints rates, latencies if there are any, processor time, and ratios to the references.
func table(unit string, variants []*variant, references []*variant) {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer t.Flush()
	latency := variants[0].results[0].p50 > 0
	fmt.Fprintf(t, "\t%s/s median\tbest", unit)
	if latency {
		fmt.Fprint(t, "\tp50 ms\tp99 ms median\tbest")
	}
	fmt.Fprintf(t, "\tCPU µs/%s\tbroker process\tboth", unit)
	for _, r := range references {
		fmt.Fprintf(t, "\ttimes %s", r.name)
	}
	fmt.Fprintln(t)
	for _, v := range variants {
		fmt.Fprintf(t, "%s\t%.0f\t%.0f", v.name, v.median(func(r result) float64 { return r.rate }), v.best())
		if latency {
			p99 := func(r result) float64 { return r.p99.Seconds() * 1000 }
			fmt.Fprintf(t, "\t%.2f\t%.1f\t%.1f", v.median(func(r result) float64 { return r.p50.Seconds() * 1000 }), v.median(p99), v.least(p99))
		}
		for _, of := range []func(result) cpuTime{
			func(r result) cpuTime { return r.cpu }, func(r result) cpuTime { return r.broker }, func(r result) cpuTime { return r.cpu + r.broker },
		} {
			fmt.Fprintf(t, "\t%.0f", v.median(func(r result) float64 { return float64(of(r)) }))
		}
		for _, r := range references {
			fmt.Fprintf(t, "\t%.2f", v.ratio(r))
		}
		fmt.Fprintln(t)
	}
}
