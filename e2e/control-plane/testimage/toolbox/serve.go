package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
)

// serve answers over HTTP on a port: a greeting, N bytes, or the length of what was sent.
func serve(args []string) int {
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		name, _ := os.Hostname()
		fmt.Fprintf(w, "hello from %s\n", name)
	})
	http.HandleFunc("GET /bytes/{count}", func(w http.ResponseWriter, r *http.Request) {
		count, err := strconv.ParseInt(r.PathValue("count"), 10, 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		io.CopyN(w, noise(), count)
	})
	http.HandleFunc("POST /count", func(w http.ResponseWriter, r *http.Request) {
		count, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintln(w, count)
	})
	address := fmt.Sprintf(":%d", number(args, 0))
	fmt.Printf("serving on %s\n", address)
	return verdict(http.ListenAndServe(address, nil))
}
