// A library in Go: goroutines on small stacks, timers, garbage, and syscalls from deep down; connections and children.
package main

import "C"

import (
	"io"
	"net"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

func deep(n int) int {
	var pad [64]byte
	pad[n%64] = byte(n)
	if n == 0 {
		syscall.Getppid()
		return int(pad[0])
	}
	return deep(n-1) + int(pad[(n+1)%64])
}

//export GoWork
func GoWork() C.int {
	done := make(chan int)
	for g := 0; g < 4; g++ {
		go func() {
			sum := 0
			for n := 0; n < 40; n++ {
				sum += deep(n)
			}
			time.Sleep(time.Microsecond)
			done <- sum + len(make([]byte, 1<<16)) - 1<<16
		}()
	}
	for n := 0; n < 40; n++ {
		deep(n)
	}
	sum := 0
	for g := 0; g < 4; g++ {
		sum += <-done
	}
	runtime.GC()
	return C.int(sum)
}

// An error is told: what a reached thread of ours does for Go may be refused.
func told(err error) C.int {
	if err != nil {
		return -1
	}
	return 0
}

//export GoTalk
func GoTalk() C.int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return told(err)
	}
	defer listener.Close()
	go func() {
		peer, err := listener.Accept()
		if err == nil {
			io.Copy(peer, peer)
			peer.Close()
		}
	}()
	peer, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return told(err)
	}
	defer peer.Close()
	peer.SetDeadline(time.Now().Add(10 * time.Second))
	sent := make([]byte, 100000)
	go func() {
		peer.Write(sent)
		peer.(*net.TCPConn).CloseWrite()
	}()
	received, err := io.ReadAll(peer)
	if err == nil && len(received) != len(sent) {
		return 1
	}
	return told(err)
}

//export GoExec
func GoExec() C.int {
	return told(exec.Command("true").Run())
}

func main() {}
