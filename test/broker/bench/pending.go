package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/test/broker/process"
)

// pendingWindow is how many messages may be unconfirmed.
const pendingWindow = 2000

// pendingLeat fills one queue of the embedded broker with messages of 1 KiB, prints its memory as it grows, then kills and starts it and takes
// some of the messages out again.
func pendingLeat(messages int) error {
	dir, err := os.MkdirTemp("", "leat-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	leat, err := process.Start(dir)
	if err != nil {
		return err
	}
	defer func() { leat.Kill() }()
	conn, ch, err := dial(target{url: leat.AMQP})
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := ch.QueueDeclare("pending", true, false, false, false, nil); err != nil {
		return err
	}
	start := time.Now()
	report := func(n int) {
		fmt.Printf("%9d messages, %4.0f s: %d MB resident, %s at most, %d MB on disk\n", n, time.Since(start).Seconds(), resident(leat.PID())>>20, peak(leat.PID()), size(dir)>>20)
	}
	if err := fill(ch, messages, report); err != nil {
		return err
	}
	if err := leat.Kill(); err != nil {
		return err
	}
	again := time.Now()
	if err := leat.Resume(); err != nil {
		return err
	}
	fmt.Printf("killed; ready again after %.1f s\n", time.Since(again).Seconds())
	return drain(leat, min(messages, 100_000), report)
}

// fill publishes numbered messages and reports ten times on the way.
func fill(ch *amqp.Channel, messages int, report func(int)) error {
	if err := ch.Confirm(false); err != nil {
		return err
	}
	body := make([]byte, 1024)
	var flight []*amqp.DeferredConfirmation
	for n := 1; n <= messages; n++ {
		copy(body, fmt.Sprintf("%-20d", n))
		c, err := ch.PublishWithDeferredConfirm("", "pending", false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
		if err != nil {
			return err
		}
		if flight = append(flight, c); len(flight) == pendingWindow || n == messages {
			for _, c := range flight {
				if !c.Wait() {
					return fmt.Errorf("message %d isn't confirmed", n)
				}
			}
			flight = flight[:0]
		}
		if n%max(messages/10, 1) == 0 {
			report(n)
		}
	}
	return nil
}

// drain takes the oldest messages and checks that they are the oldest.
func drain(leat *process.Broker, messages int, report func(int)) error {
	conn, ch, err := dial(target{url: leat.AMQP})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := ch.Qos(1000, 0, false); err != nil {
		return err
	}
	in, err := ch.ConsumeWithContext(context.Background(), "pending", "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for n := 1; n <= messages; n++ {
		d := <-in
		var got int
		if _, err := fmt.Sscan(string(d.Body[:20]), &got); err != nil || got != n {
			return fmt.Errorf("message %d came as number %d, %v", got, n, err)
		}
		if err := d.Ack(false); err != nil {
			return err
		}
	}
	fmt.Printf("%d taken, in order:\n", messages)
	report(messages)
	return nil
}

// peak is the most memory that a process had resident.
func peak(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
