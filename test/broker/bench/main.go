// Command bench compares the embedded broker with RabbitMQ: the same client code over TCP, in the same run on the same machine, each
// broker as a process of its own. It prints a table with rates, ratios and the processor time that each broker took for a message.
//
//	go run ./test/broker/bench [-seconds 5] [-rounds 2] [-only REGEXP] [-soak 10m] [-pending 10000000]
//
// The figures mean something on a machine that has nothing else to do. The table ends with the load before and after.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/test/broker/process"
	"github.com/openintegrationhub/leat/test/rabbitmq"
)

func main() {
	process.Main()
	seconds := flag.Float64("seconds", 5, "how long each measurement runs")
	rounds := flag.Int("rounds", 2, "how often each case is measured on each broker, taking turns; the median counts")
	only := flag.String("only", "", "regular expression of the cases to run")
	soak := flag.Duration("soak", 0, "instead of the table: load the embedded broker for so long and print its memory")
	pending := flag.Int("pending", 0, "instead of the table: let so many messages of 1 KiB wait in the embedded broker and print its memory")
	flag.Parse()
	var err error
	switch {
	case *soak > 0:
		err = soakLeat(*soak)
	case *pending > 0:
		err = pendingLeat(*pending)
	default:
		err = compare(time.Duration(*seconds*float64(time.Second)), *rounds, *only)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// target is a broker under load.
type target struct {
	name string
	url  string
	pid  int
}

// result of one measurement.
type result struct {
	rate     float64       // deliveries a second
	cpu      time.Duration // of the broker, for a delivery
	p50, p99 time.Duration // from publish to delivery; 0 when not measured
}

func compare(length time.Duration, rounds int, only string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	before := load()
	fmt.Fprintln(os.Stderr, "starting RabbitMQ")
	rabbit, err := rabbitmq.New(rabbitmq.Options{StatsInterval: 5 * time.Second})
	if err != nil {
		return err
	}
	defer rabbit.Stop()
	dir, err := os.MkdirTemp("", "leat-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	leat, err := process.Start(dir)
	if err != nil {
		return err
	}
	defer leat.Kill()
	targets := []target{{"RabbitMQ", rabbit.AMQP, rabbit.PID()}, {"Leat", leat.AMQP, leat.PID()}}

	fmt.Println("| case | RabbitMQ | Leat | ratio | RabbitMQ µs/message | Leat µs/message | share |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for _, c := range cases() {
		if !match.MatchString(c.name) {
			continue
		}
		results := map[string][]result{}
		for range rounds {
			for _, t := range targets {
				r, err := measure(t, c, length)
				if err != nil {
					return fmt.Errorf("%s on %s: %w", c.name, t.name, err)
				}
				results[t.name] = append(results[t.name], r)
			}
		}
		printRow(c, middle(results["RabbitMQ"]), middle(results["Leat"]))
	}
	fmt.Printf("\nLoad of the machine: %s before, %s after.\n", before, load())
	return nil
}

// middle takes the median of each figure.
func middle(list []result) result {
	pick := func(of func(result) float64) float64 {
		values := []float64{}
		for _, r := range list {
			values = append(values, of(r))
		}
		slices.Sort(values)
		return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	}
	return result{
		rate: pick(func(r result) float64 { return r.rate }),
		cpu:  time.Duration(pick(func(r result) float64 { return float64(r.cpu) })),
		p50:  time.Duration(pick(func(r result) float64 { return float64(r.p50) })),
		p99:  time.Duration(pick(func(r result) float64 { return float64(r.p99) })),
	}
}

func printRow(c benchmark, rabbit, leat result) {
	show := func(r result) string {
		if r.p99 > 0 {
			return fmt.Sprintf("p50 %.2f ms, p99 %.2f ms", ms(r.p50), ms(r.p99))
		}
		return fmt.Sprintf("%.0f/s", r.rate)
	}
	ratio := leat.rate / rabbit.rate
	if leat.p50 > 0 {
		ratio = float64(rabbit.p50) / float64(leat.p50)
	}
	fmt.Printf("| %s | %s | %s | %.2f | %.0f | %.0f | %.2f |\n", c.name, show(rabbit), show(leat), ratio, us(rabbit.cpu), us(leat.cpu), float64(leat.cpu)/float64(rabbit.cpu))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
func us(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// load is the machine's load average over one minute.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	return cmp.Or(strings.SplitN(string(text), " ", 2)[0], "unknown")
}

// soakLeat prints the embedded broker's memory every 10 seconds under steady load.
func soakLeat(length time.Duration) error {
	dir, err := os.MkdirTemp("", "leat-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	leat, err := process.Start(dir)
	if err != nil {
		return err
	}
	defer leat.Kill()
	t := target{"Leat", leat.AMQP, leat.PID()}
	for start := time.Now(); time.Since(start) < length; {
		r, err := measure(t, benchmark{persistent: true, inFlight: 100, queues: 1, size: 1024}, 10*time.Second)
		if err != nil {
			return err
		}
		fmt.Printf("%4.0f s: %.0f/s, %d MB resident, %d MB in the store\n", time.Since(start).Seconds(), r.rate, resident(t.pid)>>20, size(dir)>>20)
	}
	return nil
}

// dial opens a connection with a channel.
func dial(t target) (*amqp.Connection, *amqp.Channel, error) {
	conn, err := amqp.Dial(t.url)
	if err != nil {
		return nil, nil, err
	}
	ch, err := conn.Channel()
	return conn, ch, err
}
