"""The log of oneDNN 3.7, as TensorFlow and PyTorch have it print."""

TENSORFLOW = (
    "onednn_verbose,v1,info,oneDNN v3.7.3 (commit N/A)\n"
    "onednn_verbose,v1,primitive,info,template:operation,engine,primitive,implementation,prop_kind,"
    "memory_descriptors,attributes,auxiliary,problem_desc,exec_time\n"
    "onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src:f32::blocked:decab::f0 "
    "dst:f32::blocked:aBCde8c8b::f0,,,30x8x8x3x3,0.200928\n"
    "onednn_verbose,v1,primitive,exec,cpu,convolution,jit:avx512_core,forward_training,src:f32::blocked:acdb::f0 "
    "wei:f32:a:blocked:aBCde8c8b::f0 bia:undef::undef::: dst:f32::blocked:acdb::f0,attr-scratchpad:user,"
    "alg:convolution_direct,g30mb1_ic240oc240_ih28oh28kh3sh1dh0ph1_iw28ow28kw3sw1dw0pw1,0.382812\n"
)
