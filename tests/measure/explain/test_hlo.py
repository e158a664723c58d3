"""XLA's dumps, as TensorFlow and JAX had it write them on the CPU, and in the form in which it calls cuDNN."""

from grouped_bench.measure.explain.hlo import parse

# TensorFlow 2.21: the gradients of Keras' Conv2D(128, 3, groups=32) on 8x28x28x128, metadata left out.
BACKWARD = """
HloModule a_inference___backward__conv_xla_37_50__.1, is_scheduled=true

ENTRY %main (arg0.1: f32[8,28,28,128], arg1.1: f32[3,3,4,128]) -> (f32[8,28,28,128], f32[3,3,4,128]) {
  %arg0.1 = f32[8,28,28,128]{3,2,1,0} parameter(0), parameter_replication={false}, metadata={op_name="XLA_Args"}
  %transpose_copy_fusion = f32[3,3,4,128]{3,2,1,0} fusion(%arg1.1), kind=kLoop, calls=%fused_computation
  %transpose_copy_fusion.1 = f32[28,28,32,8,4]{4,3,2,1,0} fusion(%arg0.1), kind=kLoop, calls=%fused_computation.1
  %transpose_copy_fusion.2 = f32[4,28,28,32,8]{4,3,2,1,0} fusion(%arg0.1), kind=kLoop, calls=%fused_computation.2
  %convolution-base-dilated.1 = f32[4,3,3,32,4]{4,3,2,1,0} convolution(%transpose_copy_fusion.2, %transpose_copy_fusion.1), window={size=28x28x32 stride=1x1x31 pad=1_1x1_1x0_0 lhs_dilate=1x1x32}, dim_labels=b012f_012io->b012f
  ROOT %convolution = f32[8,28,28,128]{3,2,1,0} convolution(%arg0.1, %transpose_copy_fusion), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, feature_group_count=32, metadata={op_type="Conv2DBackpropInput"}
}
"""  # noqa: E501
CUDNN = """
  %arg0.1 = f32[8,64,28,28]{3,2,1,0} parameter(0)
  %arg1.1 = f32[64,32,3,3]{3,2,1,0} parameter(1)
  %cudnn-conv.1 = (f32[8,64,28,28]{3,2,1,0}, u8[0]{0}) custom-call(%arg0.1, %arg1.1), window={size=3x3 pad=1_1x1_1}, dim_labels=bf01_oi01->bf01, feature_group_count=2, custom_call_target="__cudnn$convForward", backend_config={"algorithm":{"algo_id":"28"}}
  %topk = (f32[8]{0}, s32[8]{0}) custom-call(%arg0.1), custom_call_target="TopK"
"""  # noqa: E501


def test_a_grouped_weight_gradient_is_read_with_its_dilation_and_its_arithmetic():
    dilated, plain = parse(BACKWARD)
    assert (dilated.kind, dilated.shape, dilated.lhs_dilate) == ("convolution", "f32[4,3,3,32,4]", "1x1x32")
    assert dilated.window == "size=28x28x32 stride=1x1x31 pad=1_1x1_1x0_0 lhs_dilate=1x1x32"
    # 32 times what one pass of the grouped convolution needs.
    assert dilated.macs == 32 * plain.macs == 32 * 8 * 28 * 28 * 128 * 9 * 4
    assert (plain.feature_groups, plain.batch_groups, plain.lhs_dilate) == (32, 1, "")


def test_calls_of_libraries_are_read_by_their_target():
    convolution, other = parse(CUDNN)
    assert (convolution.kind, convolution.shape) == ("__cudnn$convForward", "f32[8,64,28,28]")
    assert convolution.feature_groups == 2
    assert convolution.macs == 8 * 64 * 28 * 28 * 9 * 32
    assert (other.kind, other.window, other.macs) == ("TopK", "", None)


def test_a_batch_that_is_split_is_read():
    text = BACKWARD.replace("feature_group_count=32", "batch_group_count=4")
    assert [one.batch_groups for one in parse(text)] == [1, 4]


def test_what_is_no_module_tells_nothing_and_what_is_cut_no_arithmetic():
    assert parse("") == parse("no HLO\n%x = f32[2] add(%a, %b)") == []
    assert parse(BACKWARD.split("ENTRY", maxsplit=1)[0]) == []
    (lone,) = parse(BACKWARD.splitlines()[-3])
    assert lone.macs is None
