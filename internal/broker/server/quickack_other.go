//go:build !linux

package server

import "net"

// quickAcker does nothing here: only Linux can be told.
type quickAcker struct{}

func newQuickAcker(net.Conn) *quickAcker { return nil }

func (*quickAcker) now() {}
