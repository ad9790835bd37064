"""Import the names of nerflame for the other files of the gate.

After a rename edit the import here (`from ... import new as old`), or the method below, and nothing else."""
import torch
from nerflame.use import commands
from nerflame.use import gltf
from nerflame.use import texture
from nerflame.widget import preview as preview_module
from nerflame.use import drive
from nerflame.cameras import (
    Cameras, check_rigid, distort, distortion_limit, focal_from_fov, image_rays, look_at, orbit_camera, pixel_rays,
    project, undistort)
from nerflame.closest import FaceNeighbours, MeshBVH, closest_on_triangle, closest_reference, signed_distance
from nerflame.core import InputError, InputWarning, from_dict, load_config, read_yaml, save_config
from nerflame.evaluation.control import SWEEPS, control_report
from nerflame.evaluation.render import (
    render_frames, save_frames, transfer_motion, turntable_cameras, write_video, yawn_params)
from nerflame.evaluation.scores import contact_sheet, evaluate, moving_region
from nerflame.field.canonical import CanonicalMap, map_points, vertex_rotations
from nerflame.field.density import (
    EpsilonSchedule, MeshDensity, ShellDensity, density_alpha, mesh_alpha, prior_sigma, shell_alpha)
from nerflame.field.draft import bake
from nerflame.field.driven import DrivenHead, bind_cells, march_and_warp, warp_cells
from nerflame.field.encoding import ShellGrid, encode_reference
from nerflame.field.march import count_samples, march, open_blocks, row_spans
from nerflame.field.model import ModelConfig, NeRFlame
from nerflame.field.network import Field, FieldConfig, direction_harmonics
from nerflame.field.shell import OccupancyGrid, build_shell
from nerflame.field.volume import (
    cat_samples, composite, crossing, finish_rays, pack, volume_weights, weights_reference)
from nerflame.files import read_npy, read_npz, read_pickle, repository, shared
from nerflame.fitting.align import (
    find_alignment, guess_similarity, move_content, similarity_between, upward, upward_choices)
from nerflame.fitting.landmarks import load_landmarks_2d, match_frames
from nerflame.fitting.observations import (
    agreed_colours, blur_pictures as blur_images, fit_light, gauss_newton_model, geman_mcclure_weight, harmonics,
    landmark_corners, outline_model, project_each, sample_pictures, visible_vertices)
from nerflame.fitting.outlines import (
    MaskOutlines, OutlineConfig, crown_point, even_frames as choose_evenly, find_head, first_guess as guess_at,
    head_vertices, likely_cause, mask_floor, match_outlines, outline_distance, outline_iou, outline_loss,
    outline_points, outlines_above, read_map, search_outlines)
from nerflame.fitting.relief import ReliefConfig, picture_relief, rest_normals, smooth_heights
from nerflame.fitting.track import TrackConfig, bounded_step, check_track_config, expression_bounds, track
from nerflame.heads.files import load_flame, load_landmarks, save_head_arrays, save_params
from nerflame.heads.flame import Landmarks, cat_params, head_yaw, rodrigues
from nerflame.heads.head import Head, flame_to_scene, load_head, load_saved_head, transform_points
from nerflame.mesh import (
    face_areas, face_frames, face_normals, icosphere, interpolate, load_obj, save_obj, vertex_normals)
from nerflame.metrics import Lpips, _VGG as VGG_LAYERS, head_psnr, image_scores, psnr, read_vgg, ssim
from nerflame.plot import depth_picture, error_picture
from nerflame.published.distance import EdgeBVH, mesh_search, small_faces
from nerflame.published.files import (
    import_checkpoint, published_config, published_files, published_states, read_checkpoint, read_hparams)
from nerflame.published.model import (
    FrequencyField, NetworkConfig, PlainConfig, PublishedConfig, Quirks, RayConfig, around_nearest, even_depths,
    frequency_encoding, importance_depths, keep_nearest, load_model, map_points_by_face)
from nerflame.runtime import pick_device
from nerflame.scenes.capture import (
    CaptureConfig, built_in_capture, driven_params, plan_views, read_capture, write_capture)
from nerflame.scenes.light import render_truth, vertex_colour_render
from nerflame.scenes.person import make_person
from nerflame.scenes.pictures import (
    area_resize, area_weights, composite_image as composite_picture, parse_background, parse_labels, picture_size,
    read_image, read_mask, with_coverage)
from nerflame.scenes.reading import ReadOptions, load_scene as read_scene, working_sizes
from nerflame.scenes.scene import Scene, as_bytes, check_similarity
from nerflame.scenes.timesteps import group_timesteps
from nerflame.scenes.transforms import frame_intrinsics, frame_names, read_transforms, scene_splits, split_frames
from nerflame.scenes.writing import FrameLabels, save_scene as write_scene
from nerflame.testing import toy_head, toy_model
from nerflame.training.callbacks import Callback
from nerflame.training.checkpoint import read_unfinished
from nerflame.training.loop import rate_factor
from nerflame.training.mouth import unseen_mouth
from nerflame.training.pixels import TimestepPool, pixels_in_shell, take_pixels
from nerflame.training.run import RunConfig
from nerflame.published.methods import load_run, method_of, preset
from nerflame.published.training import (
    PublishedSchedule, PublishedTrainConfig, published_batch, published_rate, schedule_position,
    stage_lengths as published_stages)
from nerflame.training.settings import FieldStageConfig as FieldStage, MeshStageConfig as MeshStage, TrainConfig
from nerflame.use.drive import (
    Film, arkit_mapping, camera_path, drive_params, drive_take, film_times, resample, swing_cameras, take_params,
    unused_weights)
from nerflame.use.motion import load_motion, read_live_link
from nerflame.widget.preview import Preview
from nerflame.widget.sliders import (
    best_matches, expression_groups, expression_strength, moves_code, slider_params, turn_orbit)
from nerflame.widget.views import mesh_layer, mesh_picture, overlay

CONFIGS = dict(capture=CaptureConfig, epsilon=EpsilonSchedule, field=FieldConfig, network=NetworkConfig,
    outline=OutlineConfig, model=ModelConfig, plain_model=PlainConfig, published_model=PublishedConfig,
    relief=ReliefConfig, rays=RayConfig, track=TrackConfig, field_stage=FieldStage, mesh_stage=MeshStage,
    published_stage=PublishedSchedule, run=RunConfig, train=TrainConfig, published=PublishedTrainConfig, quirks=Quirks)
COMMANDS = {name: getattr(commands, f"{name}_command") for name in
    "align train eval render drive export import demo".split()}

# methods and fields
def normal_equations(model, jacobian):
    equations = model.project(jacobian)
    return equations.hessian, equations.gradient
def find_matches(verts, normals, used, cameras, maps, floor, outlines, config):
    return match_outlines(verts, normals, used, cameras, MaskOutlines(maps, floor, outlines), config)
def posed_vertices(head, params, vertices): return head.flame.posed(params, head.flame.basis(vertices))[0]
def posed_derivatives(head, params, vertices):
    return head.flame.posed_with_jacobian(params, head.flame.basis(vertices))
def trained_model(run): return run.model
def trained_params(run): return run.timesteps.params if run.timesteps else run.model.params
def run_metrics(run): return run.metrics
def captured(model): return model.params
def pose(model, params, draft=False): return model.pose(params, draft)
def render(model, camera, params=None, draft=False, background=(1., 1., 1.)):
    pixels = model.render(camera, params, background=background, draft=draft)
    return dict(rgb=pixels.rgb, alpha=pixels.accumulation, depth=pixels.depth)
def can_draft(model): return model.can_draft
def density_stage(model, stage):
    config = model.config
    model.density = MeshDensity(config.mesh_epsilon) if stage == 1 else ShellDensity(config.epsilon)
def update_density(model, generator): model.update_density(generator=generator)
def model_forward(model, rays, posed, generator=None): return model(rays, posed, rays.origins.new_ones(3), generator)
def weights_of(model): return [t for _, t in model.named_parameters()]
def buffers_of(model):
    stage, step = 1 + model.density.learned, getattr(model.density, "step", 0)
    return [t for _, t in model.named_buffers()] + [torch.tensor(stage), torch.tensor(step)]
def trained_steps(run):
    config = run.config.train
    return config.steps, config.mesh.steps if hasattr(config, "mesh") else None
def train(scene, head, config, val, out, callbacks, landmarks=None, resume=False, run=None):
    "Train or resume with the method of the settings."
    method = method_of(config)
    if resume: return method.resume(out, scene, head, val=val, callbacks=callbacks)
    settings = run or config
    return method.train(scene, head, settings, val=val, out=out, callbacks=callbacks, landmarks=landmarks)
def scene_values(scene):
    return dict(pictures=scene.images, masks=scene.coverage, cameras=scene.cameras, depths=(scene.near, scene.far),
        background=scene.background, params=scene.params, timesteps=scene.timestep, names=scene.names)
def load_scene(path, split="train", resolution=None, head=None, **options):
    return read_scene(path, split, resolution, head, ReadOptions(**options))
def save_scene(path, split, images, cameras, near, far, params=None, timestep=None, camera_index=None, to_scene=None):
    return write_scene(path, split, images, cameras, near, far, FrameLabels(params, timestep, camera_index), to_scene)
def scene_masks(scene): return scene.mask
def scene_up(scene): return scene.up
def even_frames(scene, most): return choose_evenly(len(scene), most)
def first_guess(scene, head):
    return guess_at(head, transform_points(torch.linalg.inv(scene.flame_to_scene), crown_point(scene)))
def blur_pictures(scene, sd): return blur_images(scene.images, scene.coverage, scene.cameras.sizes, sd)
def move_cells(canonical_map, cells, epsilon): return warp_cells(canonical_map, cells, epsilon)
def find_samples(canonical_map, rays, shell, rest, sigma, step, threshold, limit):
    return march_and_warp(DrivenHead(canonical_map, shell, rest, sigma, step, threshold), rays, limit)
def map_samples(canonical_map, rays, samples): return canonical_map.along(rays, samples)
def cells_with(cells, voxels): return cells.holding(voxels)
def update_grid(grid, density, fraction, generator): grid.update(density, fraction, generator=generator)
def grid_values(grid): return grid.sigma
def static_landmarks(head, params): return head.flame.static_landmarks(head(params))
def save_model(model, folder): model.save(folder)
def pool_batch(pool, n): return pool.batch(n)
def preview_picture(preview, width, draft): return preview.renderer.render(preview.state(), width, draft)[0]
def preview_state(preview): return preview.state().sliders
def render_film(model, cameras, params, out, fps=25., formats=("mp4", "gif"), pictures=False, progress=True):
    film = Film(fps=fps, formats=formats, frames=pictures)
    return drive.render_film(model, cameras, params, out, film, progress=progress)
