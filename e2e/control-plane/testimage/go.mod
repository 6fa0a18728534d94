module spokeway/control-plane/testimage

go 1.26.0

tool spokeway/control-plane/testimage/toolbox
