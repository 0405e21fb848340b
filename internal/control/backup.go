package control

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/masugata/masugata/internal/control/reputation"
	"github.com/masugata/masugata/internal/store/state"
)

// maxRestore bounds one file of a backup, in bytes.
const maxRestore = 16 << 30

func backupCommand() *cobra.Command {
	var path string
	var sets []string
	c := &cobra.Command{Use: "backup FILE", Short: "Copy what cannot be made again: keys and state (also while the control plane runs)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := Load(path, sets)
			if err != nil {
				return err
			}
			return backup(cmd.Context(), cfg, args[0])
		}}
	c.Flags().StringVarP(&path, "config", "c", "", "configuration file of the control plane")
	c.Flags().StringArrayVar(&sets, "set", nil, "replace one value: KEY=VALUE, such as data=/var/lib/masugata")
	return c
}

// backup writes ca/ and a consistent copy of the state database to a new
// archive, mode 0600: it holds the authority's key.
func backup(ctx context.Context, cfg Config, file string) error {
	if cfg.State.URL != "" {
		return errors.New("backup: the state is in PostgreSQL: use pg_dump for it, and copy the folder " + filepath.Join(cfg.Data, "ca"))
	}
	// Opening a store that is not there would make one.
	for _, name := range []string{keptState, keptKeys} {
		if _, err := os.Stat(filepath.Join(cfg.Data, name)); err != nil {
			return fmt.Errorf("backup: there is no control plane in %s: %w", cfg.Data, err)
		}
	}
	tmp, err := os.MkdirTemp(cfg.Data, "backup-")
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer os.RemoveAll(tmp)
	st, err := state.Open(ctx, state.Config{URL: cfg.stateURL(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	copied := filepath.Join(tmp, "state.db")
	err = errors.Join(st.Backup(ctx, copied), st.Close())
	if err != nil {
		return err
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	err = errors.Join(archive(out, copied, cfg.Data), out.Sync(), out.Close())
	if err != nil {
		return errors.Join(fmt.Errorf("backup: %w", err), os.Remove(file)) // half of one is worse than none
	}
	return nil
}

// archive writes the copy of the state, the keys and what the reputation service
// cannot fetch again.
func archive(out io.Writer, state, data string) error {
	zw := gzip.NewWriter(out)
	tw := tar.NewWriter(zw)
	if err := addFile(tw, state, "state.db"); err != nil {
		return err
	}
	known, err := reputation.BackupFiles(filepath.Join(data, reputationFolder))
	if err != nil {
		return err
	}
	for _, name := range known {
		name = reputationFolder + "/" + name
		if err := addFile(tw, filepath.Join(data, filepath.FromSlash(name)), name); err != nil {
			return err
		}
	}
	keys, err := filepath.Glob(filepath.Join(data, keptKeys, "*"))
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := addFile(tw, k, "ca/"+filepath.Base(k)); err != nil {
			return err
		}
	}
	return errors.Join(tw.Close(), zw.Close())
}

func addFile(tw *tar.Writer, path, name string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: info.Size(), ModTime: time.Now()}); err != nil {
		return err
	}
	_, err = io.Copy(tw, f)
	return err
}

func restoreCommand() *cobra.Command {
	var data string
	c := &cobra.Command{Use: "restore FILE", Short: "Bring a backup back into a data folder that holds no control plane", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return restore(args[0], data) }}
	c.Flags().StringVar(&data, "data", "/var/lib/masugata", "the data folder")
	return c
}

// What a backup holds, by its name in the data folder.
const (
	keptState = "state.db"
	keptKeys  = "ca"
)

// restore unpacks beside the data folder's own names first, so that a backup
// that is cut off leaves nothing that looks like a control plane.
func restore(file, data string) error {
	for _, name := range []string{keptState, keptKeys} {
		if _, err := os.Stat(filepath.Join(data, name)); err == nil {
			return fmt.Errorf("restore: %s holds a control plane already (%s): name another folder with --data", data, name)
		}
	}
	in, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer in.Close()
	zr, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("restore: %s is not a backup: %w", file, err)
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	tmp, err := os.MkdirTemp(data, "restore-")
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := unpack(tar.NewReader(zr), tmp); err != nil {
		return fmt.Errorf("restore: %s: %w", file, err)
	}
	for _, name := range []string{keptState, keptKeys} {
		if err := os.Rename(filepath.Join(tmp, name), filepath.Join(data, name)); err != nil {
			return fmt.Errorf("restore: %s is not a whole backup: %w", file, err)
		}
	}
	known, err := reputation.BackupFiles(filepath.Join(tmp, reputationFolder))
	if err != nil {
		return fmt.Errorf("restore: %s is not a whole backup: %w", file, err)
	}
	if err := os.MkdirAll(filepath.Join(data, reputationFeeds), 0o700); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	for _, name := range known { // none in a backup of before there were any
		name = filepath.Join(reputationFolder, filepath.FromSlash(name))
		if err := os.Rename(filepath.Join(tmp, name), filepath.Join(data, name)); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	return nil
}

// reputationFeeds is where copies of feeds lie.
var reputationFeeds = filepath.Join(reputationFolder, "feeds")

// unpack writes all files of a backup into a folder.
func unpack(tr *tar.Reader, dir string) error {
	for _, name := range []string{keptKeys, reputationFolder, reputationFeeds} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return err
		}
	}
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := restoreOne(tr, h, dir); err != nil {
			return err
		}
	}
}

// restoreOne writes one file; only the names that backup writes are taken.
func restoreOne(tr *tar.Reader, h *tar.Header, data string) error {
	key, isKey := strings.CutPrefix(h.Name, "ca/")
	known, isKnown := strings.CutPrefix(h.Name, reputationFolder+"/")
	isKnown = isKnown && reputation.InBackup(known)
	if h.Name != keptState && !isKnown && (!isKey || key == "" || strings.ContainsAny(key, `/\`) || key == "..") || h.Typeflag != tar.TypeReg {
		return fmt.Errorf("%q does not belong into a backup", h.Name)
	}
	out, err := os.OpenFile(filepath.Join(data, h.Name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if h.Size > maxRestore {
		return fmt.Errorf("%s has %d bytes; at most %d are taken", h.Name, h.Size, int64(maxRestore))
	}
	if _, err := io.Copy(out, tr); err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	return out.Sync()
}
