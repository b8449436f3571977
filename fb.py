import sys; sys.path.insert(0,"/work/tmp/engine14")
from gsteps import *
from benchmarks.speed.networks import ResidualBlock
l=ResidualBlock()
rng=np.random.default_rng(3)
x=rng.standard_normal((16,16,16,16),np.float32)
f=dout.compile(l)
for i in range(4):
    out=f.forward(x); d=np.ones_like(out); f.backward(d)
fo=ba=df=db=9
P1=P["forward"].driver;P2=P["backward"].driver
for i in range(200):
    b=time.process_time(); o=f.forward(x); m=time.process_time(); g=f.backward(d); e=time.process_time()
    fo=min(fo,m-b); ba=min(ba,e-m)
print("in turn",fo*1e3,ba*1e3)
for i in range(200):
    b=time.process_time(); o=f.forward(x); m=time.process_time()
    fo=min(fo,m-b)
print("forward alone",fo*1e3)
for i in range(200):
    b=time.process_time(); o=P1(x); m=time.process_time(); g=P2(d); e=time.process_time()
    df=min(df,m-b); db=min(db,e-m)
print("drivers in turn",df*1e3,db*1e3)
print(P["forward"].source)
print(P["backward"].source)
