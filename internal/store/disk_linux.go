package store

import (
	"os"
	"syscall"
)

// remote answers the name of the network file system that dir is on, or "".
// Their locks and their fsync are promises that a database cannot build on.
func remote(dir string) string {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return ""
	}
	return remoteName(uint32(s.Type))
}

// remoteName knows file systems by statfs(2)'s magic numbers. FUSE and 9P are
// not among them: containers and virtual machines show local disks that way.
func remoteName(magic uint32) string {
	switch magic {
	case 0x6969:
		return "NFS"
	case 0x517B, 0xFF534D42, 0xFE534D42:
		return "SMB"
	case 0x5346414F, 0x6B414653:
		return "AFS"
	case 0x00C36400:
		return "Ceph"
	case 0x0BD00BD0:
		return "Lustre"
	case 0x47504653:
		return "GPFS"
	}
	return ""
}

// reserve gives f n bytes of disk, at once where the file system can.
func reserve(f *os.File, n int64) error {
	err := syscall.Fallocate(int(f.Fd()), 0, 0, n)
	if err == syscall.EOPNOTSUPP || err == syscall.ENOSYS {
		return fill(f, n)
	}
	return err
}
