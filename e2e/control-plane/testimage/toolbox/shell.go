package main

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unsafe"
)

// sh reads one tool with its arguments per line and ends at `exit N` or the end of stdin. On a
// terminal it prompts.
func sh(_ []string) int {
	_, _, isTerminal := terminalSize()
	input := bufio.NewScanner(os.Stdin)
	for {
		if isTerminal {
			fmt.Print("$ ")
		}
		if !input.Scan() {
			return verdict(input.Err())
		}
		words := strings.Fields(input.Text())
		switch {
		case len(words) == 0:
		case words[0] == "exit":
			return exit(words[1:])
		default:
			run(words)
		}
	}
}

// tty says whether stdin is a terminal, and how large.
func tty(_ []string) int {
	columns, rows, isTerminal := terminalSize()
	if !isTerminal {
		fmt.Println("not a tty")
		return 1
	}
	fmt.Printf("a tty of %d columns and %d rows\n", columns, rows)
	return 0
}

// test knows `-d PATH`, which is what kubectl cp asks.
func test(args []string) int {
	info, err := os.Stat(args[len(args)-1])
	if err != nil || !info.IsDir() {
		return 1
	}
	return 0
}

// pause holds a pod's namespaces until it is told to end.
func pause(_ []string) int {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGINT, syscall.SIGTERM)
	<-told
	return 0
}

func terminalSize() (columns, rows uint16, isTerminal bool) {
	var size struct{ rows, columns, width, height uint16 }
	_, _, errno := syscall.Syscall(
		syscall.SYS_IOCTL, os.Stdin.Fd(), syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size)),
	)
	return size.columns, size.rows, errno == 0
}
