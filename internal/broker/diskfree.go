package broker

import "github.com/cockroachdb/pebble/v2/vfs"

// diskFree is how many bytes an ordinary user can still write where dir is.
func diskFree(dir string) (uint64, error) {
	u, err := vfs.Default.GetDiskUsage(dir)
	return u.AvailBytes, err
}
