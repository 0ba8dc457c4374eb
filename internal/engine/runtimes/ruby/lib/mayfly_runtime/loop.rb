# frozen_string_literal: true

require 'json'
require 'stringio'
require_relative 'context'
require_relative 'fault'
require_relative 'handler'
require_relative 'logs'

module MayflyRuntime
  # Loads the handler, then serves invocations until the end.
  module Loop
    module_function

    # run runs the function that the environment names, on link if there is one.
    def run(link)
      Logs.set_up
      client = link || http
      begin
        handler = Handler.new(ENV.fetch('_HANDLER', ''))
        root = ENV.fetch('LAMBDA_TASK_ROOT', Dir.pwd)
        $LOAD_PATH.unshift(root) unless $LOAD_PATH.include?(root)
        require handler.file
      rescue Exception => e # rubocop:disable Lint/RescueException -- whatever it is, the function cannot be run
        fail_init(client, Fault.new(e, 'Init'))
      end
      loop { serve(client, handler) }
    end

    def http
      require_relative 'client'
      Client.new(ENV.fetch('AWS_LAMBDA_RUNTIME_API'))
    end

    def fail_init(client, fault)
      Logs.error("Init error when loading handler #{ENV.fetch('_HANDLER', '')}", fault)
      client.fail_init(fault.to_json, fault.kind)
      exit!(252) # what AWS's -4 is to whoever waits for it
    end

    # serve answers one invocation.
    def serve(client, handler)
      headers, body = client.next
      $_global_aws_request_id = headers['lambda-runtime-aws-request-id'] # as AWS's: loggers of users read it
      trace(headers['lambda-runtime-trace-id'])
      fault = nil
      begin
        result, type = handler.call(event(headers, body), Context.new(headers))
      rescue Fault => e
        fault = e
      end
      settle(client, headers, result, type, fault)
    end

    def settle(client, headers, result, type, fault)
      Logs.error(fault.critical ? 'Critical exception from handler' : 'Error raised from handler method', fault) if fault
      Logs.flush
      if fault&.critical # an environment in which code is missing is not used again
        client.last(headers, fault.to_json, fault.kind)
        exit!(255)
      end
      late = fault ? client.fail(headers, fault.to_json, fault.kind) : client.respond(headers, result, type)
      # The platform tells the caller; the function may go on.
      warn 'Failed to post handler success response. Http response code: 413.' if late
    end

    def event(headers, body)
      return body unless (headers['content-type'] || 'application/json') == 'application/json'

      JSON.parse(body)
    rescue StandardError => e
      raise Fault.new(e, 'Function')
    end

    def trace(header)
      header ? ENV['_X_AMZN_TRACE_ID'] = header : ENV.delete('_X_AMZN_TRACE_ID')
    end
  end
end
