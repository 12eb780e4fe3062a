// A library in Go: goroutines on small stacks, timers, garbage, and syscalls from deep down.
package main

import "C"

import (
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

func main() {}
