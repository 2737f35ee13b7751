// Package store keeps what must be looked up later: documents of steps, and the list of errors.
package store
