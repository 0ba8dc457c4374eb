"""The sample that `make run` deploys: it says hello and tells where it ran."""
import os
import platform


def handler(event, context):
    name = event.get("name", "world")
    print(f"greeting {name}")
    return {
        "message": f"Hello, {name}!",
        "function": context.function_name,
        "python": platform.python_version(),
        "memory": context.memory_limit_in_mb,
        "left_ms": context.get_remaining_time_in_millis(),
        "region": os.environ["AWS_REGION"],
    }
