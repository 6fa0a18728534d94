package main

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Once a command has ended, Kubernetes closes a connection that its client still pings, and what
// the client has not read by then is lost, with no proxy in between too. Nobody tells tar that all
// has arrived, so it gives a slow client time.
const linger = 3 * time.Second

// tarTool is as much of tar as kubectl cp asks for: `cf - PATH` and `-xmf - -C DIRECTORY`.
func tarTool(args []string) int {
	var paths []string
	directory, extract := ".", false
	for position := 0; position < len(args); position++ {
		switch arg := args[position]; {
		case arg == "-C":
			position++
			directory = args[position]
		case position == 0:
			extract = strings.Contains(arg, "x")
		case strings.HasPrefix(arg, "-"):
		default:
			paths = append(paths, arg)
		}
	}
	if extract {
		return verdict(unpack(tar.NewReader(os.Stdin), directory))
	}
	archive := tar.NewWriter(os.Stdout)
	for _, path := range paths {
		if err := pack(archive, path); err != nil {
			return verdict(err)
		}
	}
	err := archive.Close()
	time.Sleep(linger)
	return verdict(err)
}

func pack(archive *tar.Writer, root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		header, err := tar.FileInfoHeader(info, "")
		if err != nil {
			return err
		}
		header.Name = strings.TrimPrefix(path, "/")
		if err := archive.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = io.Copy(archive, file)
		return err
	})
}

func unpack(archive *tar.Reader, directory string) error {
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		path := filepath.Join(directory, header.Name)
		if header.FileInfo().IsDir() {
			if err := os.MkdirAll(path, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := unpackFile(archive, path); err != nil {
			return err
		}
	}
}

func unpackFile(archive *tar.Reader, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, archive); err != nil {
		return err
	}
	return file.Close()
}
