package reputation

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/masugata/masugata/internal/control/reputation/fetch"
)

// BackupFiles names the files of a service's folder that cannot be fetched again
// and belong into a backup, with slashes: the operator's lists, uploaded feeds,
// what the sensors saw, what is shared, and what was counted and reported. Each
// is replaced as a whole, so they may be read while the service runs. A folder
// that is not there has none.
func BackupFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && InBackup(e.Name()) {
			names = append(names, e.Name())
		}
	}
	uploads, err := uploadedFeeds(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range uploads {
		for _, file := range fetch.Files(name, fetch.Good) {
			if _, err := os.Stat(filepath.Join(dir, copiesFolder, file)); err == nil {
				names = append(names, copiesFolder+"/"+file)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// InBackup says whether BackupFiles gives such names; all else in a backup is
// not ours.
func InBackup(name string) bool {
	if feed, ok := strings.CutPrefix(name, copiesFolder+"/"); ok {
		feed, ok = strings.CutSuffix(strings.TrimSuffix(feed, ".json"), fetch.Good)
		return ok && validName(feed)
	}
	base, json := strings.CutSuffix(name, ".json")
	if !json {
		var state bool
		if base, state = strings.CutSuffix(name, ".state"); !state {
			return false
		}
	}
	return validName(base)
}

// uploadedFeeds are the names of uploaded feeds.
func uploadedFeeds(dir string) ([]string, error) {
	b, err := os.ReadFile(filepath.Join(dir, uploadsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []Feed
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	var names []string
	for _, f := range all {
		if validName(f.Name) {
			names = append(names, f.Name)
		}
	}
	return names, err
}
