# frozen_string_literal: true

require 'json'

module MayflyRuntime
  # What a function is told about its invocation.
  # https://docs.aws.amazon.com/lambda/latest/dg/ruby-context.html
  class Context
    attr_reader :aws_request_id, :invoked_function_arn, :deadline_ms, :identity, :client_context, :tenant_id

    def initialize(headers)
      @aws_request_id = headers['lambda-runtime-aws-request-id']
      @invoked_function_arn = headers['lambda-runtime-invoked-function-arn']
      @deadline_ms = headers['lambda-runtime-deadline-ms'].to_i
      @tenant_id = headers['lambda-runtime-aws-tenant-id']
      @identity = parse(headers['lambda-runtime-cognito-identity'])
      @client_context = parse(headers['lambda-runtime-client-context'])
      @clock = clock(Process::CLOCK_REALTIME) - clock(Process::CLOCK_MONOTONIC)
    end

    def function_name = ENV['AWS_LAMBDA_FUNCTION_NAME']
    def function_version = ENV['AWS_LAMBDA_FUNCTION_VERSION']
    def memory_limit_in_mb = ENV['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
    def log_group_name = ENV['AWS_LAMBDA_LOG_GROUP_NAME']
    def log_stream_name = ENV['AWS_LAMBDA_LOG_STREAM_NAME']

    def get_remaining_time_in_millis # rubocop:disable Naming/AccessorMethodName -- AWS's name
      [@deadline_ms - clock(Process::CLOCK_MONOTONIC) - @clock, 0].max
    end

    private

    def clock(which) = Process.clock_gettime(which, :millisecond)
    def parse(text) = text && JSON.parse(text)
  end
end

LambdaContext = MayflyRuntime::Context unless defined?(LambdaContext) # by the name that code may check for
