package spool

// Config bounds a Spool.
type Config struct {
	Dir      string
	MaxBytes int64 // bytes of waiting events on disk; default 16 MiB, at least 256 KiB
	Sync     Sync
}

// Sync says when the spool forces its files to the medium. Being killed loses
// nothing in either mode; only a power cut does.
type Sync uint8

// The policies.
const (
	SyncNever   Sync = iota // let the kernel write when it likes: kind to flash
	SyncBatches             // before a batch is first sent
)

// Spool is a bounded queue of events on disk.
type Spool struct {
}
