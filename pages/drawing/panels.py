"""The parts of the drawing that are drawn by hand: a call, a dataset, what is deployed."""

from __future__ import annotations

import itertools
from typing import Final

from pages.drawing import repository
from pages.drawing.svg import LINE, Line, Picture


def _name(text: str) -> Line:
    return Line(text, "name")


def module_line(name: str, shown: str | None = None) -> Line:
    """Return the line with a module, under a shorter name."""
    return Line(shown or name, "code module", name)


def draw_call(picture: Picture, y: float) -> float:
    """Draw the way of a call: there, and back."""
    picture.panel(y, 400, "A call")
    top = y + 42
    application = picture.box(40, top, 150, 84, "yours", [_name("Your application"), Line("texts in, vectors out")])
    client = picture.box(
        230, top, 270, 84, "ours",
        [_name("The client"), module_line("jina_v3_client"), Line("cuts into requests, chooses a target,"),
         Line("signs (SigV4), tries again")],
    )  # fmt: skip
    endpoint = picture.box(
        540, top, 300, 84, "aws",
        [_name("SageMaker: endpoint"), Line("IAM says who may call; TLS; shares out over"),
         Line("machines. Before it, if you like: a router over"), Line("two regions, or a queue through S3")],
    )  # fmt: skip
    picture.way(application.right, client.left)
    picture.way(client.right, endpoint.left)
    inside = top + 128
    picture.frame(
        40, inside, 800, 182, Line("The container on each machine. No network; the model is mounted"), indent=100
    )
    picture.frame(52, inside + 30, 568, 138, Line("server process, without torch"), indent=88)
    engine = picture.frame(648, inside + 30, 180, 138, Line("engine process, one a GPU"))
    steps = [
        ("HTTP", "jina_v3.serving.http", "serving.http", ("limits, deadlines,", "health, metrics")),
        ("Formats", "jina_v3.serving.formats", "serving.formats", ("reads all shapes,", "checks, writes")),
        ("Tokens", "jina_v3.tokens", "tokens", ("prompts, windows,", "lengths")),
        ("Batches", "jina_v3.serving.batching", "serving.batching", ("a fair queue over", "all requests")),
    ]
    boxes = [
        picture.box(62 + 139 * number, inside + 58, 128, 98, "ours",
                    [_name(title), module_line(module, shown), *map(Line, lines)])
        for number, (title, module, shown, lines) in enumerate(steps)
    ]  # fmt: skip
    encoder = picture.box(
        658, inside + 58, 160, 98, "ours",
        [_name("Encoder"), module_line("jina_v3.serving.engine", "serving.engine"),
         module_line("jina_v3.encoder", "encoder"), Line("texts to vectors,"), Line("no padding")],
    )  # fmt: skip
    for one, other in itertools.pairwise(boxes):
        picture.way(one.right, other.left)
    picture.way(boxes[-1].right, encoder.left)
    entry = boxes[0].top[0]
    turn = top + 106
    picture.way(endpoint.bottom, (endpoint.bottom[0], turn), (entry, turn), (entry, boxes[0].y))
    below = inside + 206
    picture.way(
        (engine.bottom[0], encoder.y + encoder.height), (engine.bottom[0], below), (26, below), (26, top + 42),
        application.left, kind="back",
    )  # fmt: skip
    picture.text(330, below - 6, Line("vectors go back the same way, in the order of the texts"))
    return y + 412


def draw_dataset(picture: Picture, y: float) -> float:
    """Draw the way of a dataset through batch transform."""
    picture.panel(y, 240, "A dataset")
    top = y + 42
    height = 76
    start = picture.box(40, top, 140, height, "data",
                        [_name("S3: texts"), Line("JSON lines, CSV,"), Line("Parquet")])  # fmt: skip
    machine = picture.box(
        222,
        top,
        190,
        height,
        "aws",
        [_name("State machine"), Line("one execution a run;"), Line("starts, waits, tries again")],
    )
    jobs = picture.box(
        454, top, 196, height, "aws",
        [_name("Transform jobs"), Line("of SageMaker, with the"), Line("container of the endpoint")],
    )  # fmt: skip
    end = picture.box(692, top, 148, height, "data",
                      [_name("S3: vectors"), Line("and a report of"), Line("every record")])  # fmt: skip
    function = picture.box(
        222, top + height + 32, 428, 76, "ours",
        [_name("Function"), module_line("jina_v3_batch"), Line("looks at the data, estimates, plans the jobs;"),
         Line("reads each output beside its input")],
    )  # fmt: skip
    picture.way(start.right, machine.left)
    picture.way(machine.right, jobs.left)
    picture.way(jobs.right, end.left)
    picture.way(machine.bottom, (machine.bottom[0], function.y), kind="both")
    picture.way((end.bottom[0], end.y + end.height), (end.bottom[0], function.right[1]), function.right, kind="both")
    picture.way((start.bottom[0], start.y + start.height), (start.bottom[0], function.left[1]), function.left)
    return y + 252


RESOURCES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "foundation": (
        ("bucket: sources, models, datasets", "AWS::S3::Bucket"),
        ("key of all that is stored", "AWS::KMS::Key"),
        ("repository of images", "AWS::ECR::Repository"),
        ("build of the image", "AWS::CodeBuild::Project"),
        ("topic that alarms tell", "AWS::SNS::Topic"),
        ("budget, if wanted", "AWS::Budgets::Budget"),
    ),
    "endpoint": (
        ("model, endpoint", "AWS::SageMaker::Endpoint"),
        ("inference component, if wanted", "AWS::SageMaker::InferenceComponent"),
        ("machines by load", "AWS::ApplicationAutoScaling::ScalingPolicy"),
        ("role, log", "AWS::IAM::Role"),
        ("network, if wanted", "AWS::EC2::VPC"),
        ("alarms, dashboard", "AWS::CloudWatch::Alarm"),
    ),
    "batch": (
        ("state machine", "AWS::StepFunctions::StateMachine"),
        ("function", "AWS::Lambda::Function"),
        ("starts by data, if wanted", "AWS::Events::Rule"),
        ("starts by the clock, if wanted", "AWS::Scheduler::Schedule"),
        ("roles, logs", "AWS::IAM::Role"),
        ("alarms, dashboard", "AWS::CloudWatch::Alarm"),
    ),
}
"""What stands in each stack, with a type of CloudFormation that it has there."""


def draw_stacks(picture: Picture, y: float) -> float:
    """Draw the stacks, and what stands in them."""
    assert RESOURCES.keys() == repository.stacks(), "the drawing's stacks are not those of jina_v3_infra.stacks"
    picture.panel(y, 236, "What is deployed")
    picture.text(
        214, y + 26, Line("jina_v3_infra makes three stacks in a region, and keeps model and image up to date")
    )
    boxes = {}
    for number, (stack, resources) in enumerate(RESOURCES.items()):
        lines = [Line(f"NAME-{stack}", "name stack", stack), *(Line(text, "small", kind) for text, kind in resources)]
        boxes[stack] = picture.box((322, 40, 604)[number], y + 52, 236, LINE * len(lines) + 26, "aws", lines)
    picture.way(boxes["endpoint"].right, boxes["foundation"].left)
    picture.way(boxes["batch"].left, boxes["foundation"].right)
    below = y + 52 + boxes["batch"].height
    picture.text(
        440,
        below + 24,
        Line("Endpoint and batch each stand on the foundation, and need nothing of each other."),
        middle=True,
    )
    return y + 248


def draw_legend(picture: Picture, y: float) -> None:
    """Say what the colours mean."""
    x = 28.0
    for kind, text in (
        ("ours", "code of this project"),
        ("aws", "a service of AWS"),
        ("data", "data in S3"),
        ("yours", "yours, or beside it"),
    ):
        picture.box(x, y, 22, 14, kind, [])
        picture.text(x + 30, y + 12, Line(text))
        x += 60 + 7 * len(text)
