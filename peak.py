import numpy as np,time
for n in (256,512,1024):
    for dt in ("f4","f8"):
        a=np.random.rand(n,n).astype(dt);b=a.copy();c=np.empty_like(a);best=9
        for i in range(30 if n>500 else 200):
            t=time.process_time();np.matmul(a,b,out=c);best=min(best,time.process_time()-t)
        print(n,dt,round(2*n**3/best/1e9,1))
