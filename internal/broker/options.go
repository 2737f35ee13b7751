// Package broker is an embedded message broker: AMQP 0-9-1 with RabbitMQ's extensions, for one machine. Clients can't tell it from
// RabbitMQ in what they use every day. What it has confirmed is on disk.
//
// It imports nothing else of Leat. Below it are wire (bytes), core (the state machine, without I/O), store (disk) and server (connections).
package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/openintegrationhub/leat/internal/broker/core"
)

// Options configure a Broker. Start from DefaultOptions.
type Options struct {
	// Dir is the data folder; it's made when missing. "" keeps everything in memory: nothing survives Close, and queues can't be longer
	// than memory.
	Dir string
	// Logger takes the log; nil is none.
	Logger *slog.Logger

	// Heartbeat is what's offered to clients, in whole seconds; 0 is none. Default 60 s.
	Heartbeat time.Duration
	// FrameMax is the largest frame in bytes, at least 4096. Default 131072.
	FrameMax uint32
	// ChannelMax is how many channels a connection may have, 0 is no limit. Default 2047.
	ChannelMax uint16
	// MessageMax is the largest message body in bytes. Default 128 MiB.
	MessageMax uint64
	// HandshakeTimeout is how long a client may take to log in. Default 10 s.
	HandshakeTimeout time.Duration

	// MemoryHigh is how many bytes the process may use before publishers are blocked, 0 is no limit. Default 40 % of the memory there is.
	MemoryHigh uint64
	// DiskFree is how many bytes must be free where Dir is, else publishers are blocked. Default 50 MB.
	DiskFree uint64

	// LoopbackUsers may log in from this machine only. Default guest.
	LoopbackUsers []string
	// Limits bound the messages held in memory.
	Limits core.Limits
}

// DefaultOptions are RabbitMQ's defaults, without a data folder.
func DefaultOptions() Options {
	return Options{
		Logger:           slog.New(slog.DiscardHandler),
		Heartbeat:        time.Minute,
		FrameMax:         128 << 10,
		ChannelMax:       2047,
		MessageMax:       128 << 20,
		HandshakeTimeout: 10 * time.Second,
		MemoryHigh:       memoryHigh(machineMemory, containerMemory),
		DiskFree:         50_000_000,
		LoopbackUsers:    []string{"guest"},
		Limits:           core.DefaultLimits(),
	}
}

func (o *Options) validate() error {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.FrameMax < 4096:
		return fmt.Errorf("option FrameMax: %d is below 4096 bytes", o.FrameMax)
	case o.Heartbeat < 0 || o.Heartbeat > 65535*time.Second || o.Heartbeat%time.Second != 0:
		return fmt.Errorf("option Heartbeat: %v is not a number of seconds from 0 to 65535", o.Heartbeat)
	case o.HandshakeTimeout <= 0:
		return errors.New("option HandshakeTimeout: must be positive")
	case o.MessageMax == 0:
		return errors.New("option MessageMax: must be positive")
	case o.Limits.WindowMessages <= 0 || o.Limits.WindowBytes <= 0 || o.Limits.TotalBytes <= 0 || o.Limits.WindowBytesMin <= 0:
		return errors.New("option Limits: all must be positive")
	}
	return nil
}
