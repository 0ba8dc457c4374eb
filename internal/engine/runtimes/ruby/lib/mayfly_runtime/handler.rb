# frozen_string_literal: true

require 'json'
require 'stringio'
require_relative 'fault'

module MayflyRuntime
  # What _HANDLER names: "file.method", or "file.Module::Class.method".
  class Handler
    attr_reader :file

    def initialize(name)
      parts = name.split('.')
      raise ArgumentError, malformed(parts) unless [2, 3].include?(parts.size)

      @file = parts.first
      @owner = parts[1] if parts.size == 3
      @method = parts.last
    end

    # call calls it, and returns what to post with its content type.
    def call(event, context)
      marshal((@owner ? Kernel.const_get(@owner) : MAIN).send(@method, event: event, context: context))
    rescue Fault
      raise
    rescue NameError, SystemExit, ScriptError, NoMemoryError, SignalException, SystemStackError => e
      raise Fault.new(e, 'Function', critical: true)
    rescue StandardError => e
      raise Fault.new(e, 'Function')
    rescue Exception => e # rubocop:disable Lint/RescueException -- a function's own kind
      raise Fault.new(e, 'Function', critical: true)
    end

    # The object whose private methods are those that a file defines outside of
    # any class.
    MAIN = TOPLEVEL_BINDING.receiver
    private_constant :MAIN

    private

    def marshal(result)
      case result
      when StringIO, IO then [result.read, 'application/unknown']
      else [result.to_json, 'application/json']
      end
    end

    def malformed(parts)
      "Invalid handler #{parts}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD where FILENAME corresponds " \
        'with an existing Ruby source file FILENAME.rb, CLASS is an optional module/class namespace and METHOD is a ' \
        'callable method. If using CLASS, METHOD must be a class-level method.'
    end
  end
end
