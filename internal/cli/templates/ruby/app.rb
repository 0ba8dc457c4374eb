# frozen_string_literal: true

# What is here runs once for each sandbox: open connections here.

def handler(event:, context:)
  name = event.fetch('name', 'world')
  puts "greeting #{name}"
  { message: "Hello, #{name}!", request: context.aws_request_id }
end
