package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"
)

func echo(args []string) int {
	fmt.Println(strings.Join(args, " "))
	return 0
}

func warn(args []string) int {
	fmt.Fprintln(os.Stderr, strings.Join(args, " "))
	return 0
}

func exit(args []string) int {
	return int(number(args, 0))
}

// sleep takes seconds; without any it sleeps until it is told to end.
func sleep(args []string) int {
	if len(args) == 0 {
		return pause(nil)
	}
	time.Sleep(time.Duration(number(args, 0)) * time.Second)
	return 0
}

// lines prints N numbered lines, one every so many milliseconds, and sleeps on.
func lines(args []string) int {
	pause := time.Duration(number(args, 1)) * time.Millisecond
	for line := range number(args, 0) {
		fmt.Printf("line %d\n", line)
		time.Sleep(pause)
	}
	return sleep(nil)
}

func cat(_ []string) int {
	_, err := io.Copy(os.Stdout, os.Stdin)
	return verdict(err)
}

// count reads stdin to its end and prints its length and SHA-256.
func count(_ []string) int {
	return summarize(os.Stdin)
}

// hash does for a file what count does for stdin.
func hash(args []string) int {
	file, err := os.Open(args[0])
	if err != nil {
		return verdict(err)
	}
	defer file.Close()
	return summarize(file)
}

// bytesOut prints the first N bytes of a stream that does not repeat.
func bytesOut(args []string) int {
	_, err := io.CopyN(os.Stdout, noise(), number(args, 0))
	return verdict(err)
}

// write puts the first N bytes of that stream into a file.
func write(args []string) int {
	file, err := os.Create(args[0])
	if err != nil {
		return verdict(err)
	}
	if _, err := io.CopyN(file, noise(), number(args, 1)); err != nil {
		return verdict(err)
	}
	return verdict(file.Close())
}

func noise() io.Reader {
	return rand.NewChaCha8([32]byte{})
}

func summarize(from io.Reader) int {
	digest := sha256.New()
	length, err := io.Copy(digest, from)
	fmt.Printf("%d %x\n", length, digest.Sum(nil))
	return verdict(err)
}

func number(args []string, position int) int64 {
	if position >= len(args) {
		os.Exit(fail("a number is missing"))
	}
	value, err := strconv.ParseInt(args[position], 10, 64)
	if err != nil {
		os.Exit(fail("%v", err))
	}
	return value
}

func verdict(err error) int {
	if err != nil {
		return fail("%v", err)
	}
	return 0
}
